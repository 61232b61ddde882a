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

	"github.com/regent-ha/regent/clock"
)

// agentProgram is an agent in a process of its own: it locks the data directory,
// connects, arms if its arguments say so, tells the outcome, and lives on until
// its stdin ends. If they give a time as well, it arms again for that time from
// then on.
func agentProgram() {
	var o Options
	if err := json.Unmarshal([]byte(os.Args[1]), &o); err != nil {
		panic(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	var g *Guard
	var a Arm
	lock, err := LockDataDir(o)
	if err == nil {
		defer lock.Close()
		if g, err = Connect(ctx, o); err == nil && len(os.Args) > 2 {
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
	if len(os.Args) > 3 && err == nil {
		d, _ := time.ParseDuration(os.Args[3])
		a.Number, a.Fast = a.Number+1, clock.System().Now().Add(d)
		a.Kill = a.Fast
		if err := g.Arm(ctx, a); err != nil {
			panic(err)
		}
	}
	bufio.NewReader(os.Stdin).ReadString('\n')
}

// agent starts an agent and returns it with what it said.
func (n *node) agent(a *Arm, again ...time.Duration) (cmd *exec.Cmd, said string) {
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
		for _, d := range again {
			cmd.Args = append(cmd.Args, d.String())
		}
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
