package postgres

import (
	"errors"
	"fmt"
	"os"
	"strings"
)

// Passwords reach PostgreSQL's programs and WAL receivers by password files
// (PostgreSQL documentation, "The Password File"), never by arguments. Each
// purpose has a file of its own beside Options.PassFile, which is the WAL
// receiver's: one file for all would be overwritten while another still reads
// it. Those of a program are removed when it has ended.
const (
	forClone     = ".clone"
	forRewind    = ".rewind"
	forBootstrap = ".bootstrap"
)

// passLines are the lines for one role. host may be several with commas.
func passLines(cred Credentials, host string, port int) string {
	var lines strings.Builder
	number := portText(port)
	if number == "" {
		number = "*"
	}
	for one := range strings.SplitSeq(host, ",") {
		hosts := []string{one}
		if one == "" || strings.HasPrefix(one, "/") || strings.HasPrefix(one, "@") {
			// By this name libpq looks a server's default socket directory up.
			hosts = []string{"localhost"}
			if one != "" {
				hosts = append(hosts, one)
			}
		}
		for _, h := range hosts {
			fmt.Fprintf(&lines, "%s:%s:*:%s:%s\n", passEscape(h), number, passEscape(cred.Username), passEscape(cred.Password))
		}
	}
	return lines.String()
}

func passEscape(s string) string {
	return strings.NewReplacer(`\`, `\\`, `:`, `\:`).Replace(s)
}

// writePassFile makes path a password file for one server and role, readable by
// us alone. One that is right already isn't touched.
func writePassFile(path string, cred Credentials, host string, port int) error {
	if strings.ContainsAny(cred.Username+cred.Password+host, "\n\r") {
		return fmt.Errorf("a password file can't hold a line break: user %q has one in its name or password", cred.Username)
	}
	_, err := updateFile(path, []byte(passLines(cred, host, port)), 0o600)
	if err == nil {
		err = os.Chmod(path, 0o600) // of one that was right already
	}
	if err != nil {
		return fmt.Errorf("write the password file: %w", err)
	}
	return nil
}

// login lets a program connect: what may stand among its arguments, and what
// must not.
type login struct {
	conninfo string
	env      []string
	secret   string
	files    []string
}

// login makes the files for a program that connects to host for one purpose.
// The caller removes them by close when the program has ended.
func (s *Server) login(purpose string, cred Credentials, host string, port int, database string) (login, error) {
	settings := s.Settings()
	passFile := s.opts.PassFile + purpose
	l := login{
		conninfo: settings.programConninfo(cred, host, port, database, passFile),
		env:      []string{"PGPASSFILE=" + passFile},
		secret:   cred.Password,
		files:    []string{passFile},
	}
	err := writePassFile(passFile, cred, host, port)
	// libpq reads the passphrase of a key only from a connection string or a
	// service file.
	if phrase := cred.Options["sslpassword"]; err == nil && phrase != "" {
		service := passFile + ".service"
		l.files = append(l.files, service)
		l.env = append(l.env, "PGSERVICEFILE="+service, "PGSERVICE=regent")
		_, err = updateFile(service, []byte("[regent]\nsslpassword="+phrase+"\n"), 0o600)
	}
	if err != nil {
		return login{}, errors.Join(err, l.close())
	}
	return l, nil
}

func (l login) close() error {
	var errs []error
	for _, file := range l.files {
		errs = append(errs, removeFile(file))
	}
	return errors.Join(errs...)
}
