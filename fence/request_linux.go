package fence

import (
	"errors"
	"fmt"
	"time"
)

// ask takes a request to the core and returns its answer.
func (g *guard) ask(e Event) error { return g.askWith(e, nil) }

func (g *guard) askWith(e Event, before func()) error {
	answer := make(chan error, 1)
	g.inbox <- message{event: e, before: before, answer: answer}
	return <-answer
}

// serve answers requests until the connection ends.
func (c *session) serve() {
	underWay := make(chan struct{}, maxUnderWay)
	for {
		var r request
		if readFrame(c.conn, &r) != nil {
			return
		}
		// Arms keep their order, and wait for nothing but the loop.
		if r.Verb != verbLaunch && r.Verb != verbDisarm {
			c.answer(r)
			continue
		}
		underWay <- struct{}{}
		go func() {
			defer func() { <-underWay }()
			c.answer(r)
		}()
	}
}

func (c *session) reply(r response, err error) {
	switch refused := err.(type) {
	case nil:
	case *RefusedError:
		r.Reason, r.Problem = refused.Reason, refused.Detail
	default:
		r.Problem = err.Error()
	}
	c.write.Lock()
	defer c.write.Unlock()
	c.conn.SetWriteDeadline(time.Now().Add(writeTime))
	if writeFrame(c.conn, r) != nil {
		c.conn.Close()
	}
}

func (c *session) answer(r request) {
	out := response{ID: r.ID}
	var err error
	switch {
	case r.Verb == verbState:
		out.State = c.state.Load()
	case c.agent.pid == 0:
		err = &RefusedError{RefusedBusy, "an observer may ask for the state only"}
	case r.Verb == verbArm && r.Arm != nil:
		err = c.ask(ArmAsked{Arm: *r.Arm})
	case r.Verb == verbHold:
		err = c.ask(HoldAsked{Number: r.Number})
	case r.Verb == verbDisarm:
		err = c.disarm(r.Number)
	case r.Verb == verbLaunch && r.Command != nil:
		out.PID, err = c.launch(*r.Command)
	case r.Verb == verbBye:
		c.inbox <- message{event: AgentGone{PID: c.agent.pid}}
	default:
		err = &RefusedError{RefusedProtocol, fmt.Sprintf("request %q isn't known or lacks something", r.Verb)}
	}
	c.reply(out, err)
}

func (c *session) disarm(number uint64) error {
	server, err := c.looker.afresh()
	if err != nil {
		return err
	}
	return c.ask(DisarmAsked{Number: number, Server: server})
}

// launch gathers what the core wants to know, and returns when the process has
// become the server or couldn't.
func (c *session) launch(cmd Command) (pid int, err error) {
	if err := c.dirs.follow(c.DataDir, c.guard.scope); err != nil {
		return 0, err
	}
	there, err := identify(cmd.Dir)
	here, herr := identify(c.DataDir)
	if err != nil || herr != nil || there != here {
		return 0, &RefusedError{RefusedInvalid, fmt.Sprintf("the command's directory %q isn't the data directory %s", cmd.Dir, c.DataDir)}
	}
	c.guard.scope.learn(cmd.Path)
	server, err := c.looker.afresh()
	if err != nil {
		return 0, err
	}
	writable := cmd.Writable || !c.looker.standbySignal()
	forked, ended := make(chan forkResult, 1), make(chan error, 1)
	order := &launch{command: cmd, program: "/proc/self/exe", forked: forked, ended: ended}
	e := LaunchAsked{Writable: writable, Permit: cmd.Permit, Server: server, Data: c.dataID()}
	var f forkResult
	err = c.looker.launch(!writable, func() (process, error) {
		if err := c.askWith(e, func() { c.order = order }); err != nil {
			return process{}, err
		}
		if f = <-forked; f.err != nil {
			c.inbox <- message{event: ForkFailed{}}
			return process{}, fmt.Errorf("fork: %w", f.err)
		}
		return f.process, nil
	})
	if err != nil {
		return 0, err
	}
	c.inbox <- message{event: Forked{}, before: func() { c.current = f.process }}
	go func() {
		f.wait()
		c.exited(f.process)
	}()
	if err := <-ended; err != nil {
		return 0, fmt.Errorf("start: %w", err)
	}
	// Its descriptor closed, by exec or by death; the dead have no executable.
	if f.process.link("exe") == "" {
		return 0, errors.New("start: it was killed or ended at once")
	}
	c.log.Info("launched", "pid", f.process.pid, "writable", writable)
	return f.process.pid, nil
}
