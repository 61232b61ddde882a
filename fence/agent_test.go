package fence

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// agentProgram is an agent in a process of its own: it locks the data directory,
// connects, does what its arguments say, tells the outcome, and lives on until
// its stdin ends.
func agentProgram() {
	var o Options
	if err := json.Unmarshal([]byte(os.Args[1]), &o); err != nil {
		panic(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	lock, err := LockDataDir(o)
	if err == nil {
		defer lock.Close()
		var g *Guard
		if g, err = Connect(ctx, o); err == nil && len(os.Args) > 2 {
			var a Arm
			if err = json.Unmarshal([]byte(os.Args[2]), &a); err == nil {
				err = g.Arm(ctx, a)
			}
		}
	}
	if err != nil {
		fmt.Println(err)
	} else {
		fmt.Println("ok")
	}
	bufio.NewReader(os.Stdin).ReadString('\n')
}

// agent starts an agent and returns it with what it said.
func (n *node) agent(a *Arm) (cmd *exec.Cmd, said string) {
	n.Helper()
	o := n.Options
	o.Logger = nil
	text, err := json.Marshal(o)
	if err != nil {
		n.Fatal(err)
	}
	cmd = program("agent", string(text))
	if a != nil {
		text, _ := json.Marshal(a)
		cmd.Args = append(cmd.Args, string(text))
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if _, err := cmd.StdinPipe(); err != nil {
		n.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		n.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		n.Fatal(err)
	}
	n.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	said, err = bufio.NewReader(out).ReadString('\n')
	if err != nil {
		n.Fatalf("the agent said %q: %v", said, err)
	}
	return cmd, strings.TrimSpace(said)
}
