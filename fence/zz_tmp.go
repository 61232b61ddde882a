package fence

type guard struct{}

func (g *guard) run() int                       { return 0 }
func openGuard(s settings) (*guard, error)      { return nil, nil }
