package postgres

// incompleteMarker is a file in a data directory that isn't good yet: it is
// there from before initdb, a clone or a rewind writes its first byte until its
// last one is on disk. Its content says in one line what was under way.
const incompleteMarker = "regent.incomplete"
