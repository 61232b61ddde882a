package demo

import (
	"testing"

	"github.com/regent-ha/regent/internal/lab"
	"github.com/regent-ha/regent/internal/testenv"
)

func TestMain(m *testing.M) {
	lab.Main()
	testenv.Main(m)
}
