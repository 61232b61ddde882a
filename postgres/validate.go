package postgres

import "fmt"

// validate names the first field that can't be used.
func (s Settings) validate() error {
	if _, _, err := splitListen(s.Listen); err != nil {
		return fmt.Errorf("Settings.Listen %w", err)
	}
	if s.ConnectAddress != "" {
		if _, _, err := splitListen(s.ConnectAddress); err != nil {
			return fmt.Errorf("Settings.ConnectAddress %w", err)
		}
	}
	for _, c := range []struct{ field, command string }{
		{"Callbacks[on_start]", s.Callbacks["on_start"]},
		{"Callbacks[on_stop]", s.Callbacks["on_stop"]},
		{"Callbacks[on_restart]", s.Callbacks["on_restart"]},
		{"Callbacks[on_reload]", s.Callbacks["on_reload"]},
		{"Callbacks[on_role_change]", s.Callbacks["on_role_change"]},
		{"PrePromote", s.PrePromote}, {"BeforeStop", s.BeforeStop}, {"PostBootstrap", s.PostBootstrap},
	} {
		if c.command == "" {
			continue
		}
		if _, err := splitWords(c.command); err != nil {
			return fmt.Errorf("Settings.%s is %q: it %w", c.field, c.command, err)
		}
	}
	if s.CtlTimeout < 0 {
		return fmt.Errorf("Settings.CtlTimeout is %v: it must not be negative", s.CtlTimeout)
	}
	if s.Superuser.Username == "" && s.Superuser.Password != "" {
		return fmt.Errorf("Settings.Superuser has a password and no username")
	}
	return nil
}
