package fence

func agentProgram() {}
