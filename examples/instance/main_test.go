package main

import (
	"fmt"
	"testing"
	"time"

	"github.com/regent-ha/regent/internal/testenv"
)

func TestMain(m *testing.M) { testenv.MainOf(m, main) }

func TestInstance(t *testing.T) {
	p := testenv.Run(t, "-bin", testenv.PostgresBin(t), "-listen", fmt.Sprintf("127.0.0.1:%d", testenv.Port(t)))
	const limit = time.Minute
	p.WaitFor(t, limit, `running, role "primary"`)
	p.WaitFor(t, limit, `wrote hello, postgres`)
	p.WaitFor(t, limit, `stopped, role ""`)
	p.WaitEnd(t, limit)
	t.Log(p.Output())
}
