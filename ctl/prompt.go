package ctl

import (
	"context"
	"fmt"
	"strings"
)

// prompt asks for a text; an empty answer is the default.
func (p *program) prompt(ctx context.Context, question, otherwise string) (string, error) {
	fmt.Fprintf(p.o.Out, "%s [%s]: ", question, otherwise)
	answer, err := p.line(ctx)
	if err != nil {
		return "", err
	}
	if answer == "" {
		return otherwise, nil
	}
	return answer, nil
}

// confirm asks for a yes; an empty answer is a no.
func (p *program) confirm(ctx context.Context, question string) (bool, error) {
	for {
		fmt.Fprintf(p.o.Out, "%s [y/N]: ", question)
		answer, err := p.line(ctx)
		if err != nil {
			return false, err
		}
		switch strings.ToLower(answer) {
		case "y", "yes":
			return true, nil
		case "", "n", "no":
			return false, nil
		}
		p.say("Error: invalid input")
	}
}

// line reads one line. If ctx ends first the terminal goes on being read: the
// program is about to end, and nothing can stop it.
func (p *program) line(ctx context.Context) (string, error) {
	type answer struct {
		text string
		err  error
	}
	read := make(chan answer, 1)
	go func() {
		text, err := p.in.ReadString('\n')
		read <- answer{text, err}
	}()
	select {
	case a := <-read:
		if a.err != nil && a.text == "" {
			p.say("")
			return "", errAborted
		}
		return strings.TrimSpace(a.text), nil
	case <-ctx.Done():
		p.say("")
		return "", errAborted
	}
}
