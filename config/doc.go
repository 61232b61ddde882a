// Package config turns a patroni.yml and the PATRONI_* environment into the
// typed options of the other packages, and opens the store that they name.
//
// There are two kinds of configuration. The local one belongs to one member: a
// file, a directory of files or one variable (Load). The dynamic one belongs to
// the cluster and lives in the store; Config.Effective merges it with the local
// one into what a member works with right now. Both are checked whole: several
// mistakes are reported together, one line each, by the full name of the key.
// Unknown keys and keys without effect are warnings, wrong values are errors.
//
// Nothing here watches a file or the environment. Whoever wants a reload calls
// Load again with the environment that the program was started with, looks at
// Diff for what needs a restart, and keeps the old Config if Load fails.
//
// Secrets are of the type Secret, which no log, error or document shows. The
// settings made for package postgres hold passwords as plain text, since that
// package logs in with them.
package config
