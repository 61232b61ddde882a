package servers

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// FolderVar names, in the environment, the folder with the servers that
// scripts/servers builds, for who runs as another user than the one who built them.
const FolderVar = "REGENT_TEST_SERVERS"

// Folder is where scripts/servers puts what it builds.
func Folder() (string, error) {
	if dir := os.Getenv(FolderVar); dir != "" {
		return dir, nil
	}
	cache, err := os.UserCacheDir() // XDG_CACHE_HOME, else ~/.cache
	if err != nil {
		return "", err
	}
	return filepath.Join(cache, "regent", "servers"), nil
}

// Find is the path of a program that scripts/servers builds: in its folder, in
// beside if that isn't empty, or where PATH has it.
func Find(name, beside string) (string, error) {
	dir, err := Folder()
	if err != nil && beside == "" {
		return "", fmt.Errorf("servers: find %s: %w", name, err)
	}
	for _, d := range []string{dir, beside} {
		program := filepath.Join(d, name)
		if _, err := os.Stat(program); d != "" && err == nil {
			return program, nil
		}
	}
	if program, err := exec.LookPath(name); err == nil {
		return program, nil
	}
	return "", fmt.Errorf("no %s found: run scripts/servers %s", name, name)
}

// FindPackaged is the path of a program that is a Debian package's.
func FindPackaged(name, pkg string) (string, error) {
	program, err := exec.LookPath(name)
	if err != nil {
		return "", fmt.Errorf("no %s found: apt-get install %s", name, pkg)
	}
	return program, nil
}
