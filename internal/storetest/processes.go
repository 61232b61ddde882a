package storetest

// Process is one server of a store.
type Process interface {
	Freeze()
	Thaw()
	Kill()
	Start()
}

// Processes are the servers of a store as dcstest breaks them: all at once.
type Processes[P Process] struct {
	All   []P
	Serve func() // returns when they serve
}

// Freeze makes all stand still, with their connections open.
func (p Processes[P]) Freeze() {
	for _, one := range p.All {
		one.Freeze()
	}
}

// Thaw doesn't wait for them to serve: requests do.
func (p Processes[P]) Thaw() {
	for _, one := range p.All {
		one.Thaw()
	}
}

// Restart kills all, starts them again, and waits until they serve.
func (p Processes[P]) Restart() {
	for _, one := range p.All {
		one.Kill()
	}
	for _, one := range p.All {
		one.Start()
	}
	p.Serve()
}
