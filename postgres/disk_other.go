//go:build !linux

package postgres

func (s *Server) fullDisks(*Control) string { return "" }
