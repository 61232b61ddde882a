package lab

import (
	"os"
	"testing"

	"github.com/regent-ha/regent/internal/testenv"
)

// ownerVariable makes the test binary the owner of a lab, for a test that kills it.
const ownerVariable = "REGENT_LAB_TEST_OWNER"

func TestMain(m *testing.M) {
	Main()
	if bin := os.Getenv(ownerVariable); bin != "" {
		own(bin)
		return
	}
	testenv.Main(m)
}
