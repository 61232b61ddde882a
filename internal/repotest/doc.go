// Package repotest has the rules of this repository as tests: what each package
// may import, that decisions are pure, what must be documented, what tests may
// not do. A rule that stands in the way is changed here, where a reviewer sees
// it, or the code is.
package repotest
