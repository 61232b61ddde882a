package ha

import (
	"time"

	"github.com/regent-ha/regent/clock"
	"github.com/regent-ha/regent/dcs"
	"github.com/regent-ha/regent/postgres"
)

// view is everything that a decision may depend on, as values. What isn't in it
// can't change a decision, and the same view gives the same decision.
type view struct {
	Now      clock.Instant
	Wall     time.Time // for scheduled requests alone
	Self     self
	Settings Settings
	Store    store
	Term     term
	Guard    guard
	NotesErr string // why nothing can be written down for the agent after us; empty: it can
	Server   postgres.Status
	History  []postgres.HistoryLine // of our own timeline
	Peers    map[string]peer
	Job      job
	Pledged  pledge                   // given by us to a leader that has lost the store
	Pledges  pledges                  // given to us
	Request  request                  // what somebody asked of this member
	Seen     map[string]clock.Instant // when each member's entry was last there
	Known    []dcs.Member             // as last seen, by name, of members whose entry may be gone
	Memory   memory                   // what the last decision left for this one
}

// self is what this member is by its configuration.
type self struct {
	Name      string
	Tags      dcs.Tags
	ConnURL   string
	APIURL    string
	ProxyURL  string
	Version   string // of the formats that we speak
	Regent    string // ours
	Bootstrap bool   // it may initialise a new cluster
	Config    []byte // dynamic configuration for a cluster that has none
	UseSlots  bool
	CanRewind string // empty: use_pg_rewind is on, and nothing stands against it; else why not
	// What the configuration allows when our data isn't on the cluster's history.
	RemoveOnDivergence bool
	RemoveOnRewindFail bool
}

// store is what is known of the cluster.
type store struct {
	Cluster  dcs.Cluster   // as last read
	Fresh    bool          // read in this cycle
	Err      string        // why this cycle's read failed; the cluster is then the last one
	LostAt   clock.Instant // when reads began to fail; zero: they don't
	Received bool          // it was read at least once
}

func (s store) readable() bool { return s.Received && s.Err == "" }

// term is our time in office: the grant of the leader key and what was
// confirmed of it.
type term struct {
	Lease   dcs.Lease // zero: we don't lead
	First   string    // the grant that it began under; another ttl may have moved the key to a new one
	Plan    dcs.Plan
	Armed   uint64 // the arm that the guard acknowledged for this plan; 0: none
	Unknown bool   // the outcome of the last renewal is not known
	Resumed bool   // taken over from an agent that ran before
	// Unsettled says that a try for the leader key got no answer: the key may be
	// ours, which the next try finds out.
	Unsettled bool
	// Writable is the grant under which the server was last started in place or
	// promoted, by us or by the agent before. Only under the same grant may it
	// be started in place again.
	Writable string
	// Gone says that the store has no key of this grant any more, nor anybody else's: we
	// lead by the pledges of the others alone, until the key is ours again.
	Gone bool
	// Maps are the failsafe maps that may be in force beside the one that was read last.
	Maps []MapNote
}

func (t term) held() bool { return t.Lease.ID != "" }

// guard is what the process that fences us said last.
type guard struct {
	Off       bool          // nobody fences
	Connected bool          // it answers
	LostAt    clock.Instant // when it stopped answering
	Spent     string        // the grant that it fired on
	Armed     bool          // a deadline is in force
	Latched   bool          // it fired: the server must come back as a standby first
	Killing   bool          // it isn't done yet
	Number    uint64        // the highest arm that it knows
	// AnswerBy is when it stops a server that it found running and that no lease speaks
	// for, unless we arm or disarm it; zero: there is none.
	AnswerBy clock.Instant
	// Unasked says that the standby which it found has no promotion under way, by that
	// server's own word.
	Unasked bool
}

// asks says whether the guard waits for a word about a server that it found.
func (g guard) asks() bool { return !g.AnswerBy.IsZero() }

// peer is what another member said of itself.
type peer struct {
	Asked    clock.Instant // when the request was sent that is under way or was answered last
	Answered clock.Instant // when the answer or the refusal came; before Asked: it is awaited
	Silent   clock.Instant // when the first request was sent that has had no answer since
	Flying   bool          // a request is under way
	Err      string        // why there is no answer; empty: there is
	APIURL   string        // where it was asked
	// Unpledged says that it has told this agent that no pledges count for it: what was
	// pledged before this agent began is nothing that it will ever count on.
	Unpledged bool
	Status    PeerStatus
}

func (p peer) awaited() bool { return !p.Asked.IsZero() && p.Answered.Before(p.Asked) }

// job is the one long piece of work beside the loop.
type job struct {
	Kind     jobKind
	Target   string // the member that it works with
	Since    clock.Instant
	Done     bool // it has ended; seen by one decision
	Err      string
	Ancestry postgres.Ancestry // of a check
	Progress postgres.Progress
	// Of a promotion that failed: the server wasn't asked for it, and it was forbidden
	// by what the user wants to be run before, or that outlived the lease.
	Unasked, Forbidden bool
}

func (j job) running() bool { return j.Kind != "" && !j.Done }

// brief says whether a job is over in a moment: what an operator asks for waits
// for it and isn't refused because of it.
func (j job) brief() bool { return j.Kind == jobCheck || j.Kind == jobFollow }

func (j job) ended(kind jobKind) bool { return j.Kind == kind && j.Done }

type jobKind string

const (
	jobBootstrap     jobKind = "bootstrap"
	jobPostBootstrap jobKind = "post_bootstrap"
	jobClone         jobKind = "clone"
	jobRecover       jobKind = "crash recovery"
	jobCheck         jobKind = "check of the history"
	jobRewind        jobKind = "pg_rewind"
	jobFollow        jobKind = "follow"
	jobStart         jobKind = "start"
	jobPromote       jobKind = "promotion"
	jobStop          jobKind = "stop"
	jobHandOver      jobKind = "demote"
	jobRestart       jobKind = "restart"
	jobReinitialize  jobKind = "reinitialize"
)

// pledge is our word to a leader that can't reach the store: until then we
// neither acquire nor promote.
type pledge struct {
	To    string
	For   time.Duration
	Until clock.Instant
	// Assumed is since when a pledge to somebody is assumed, since nothing was noted on
	// this boot. Zero: none is. AssumedFor is the longest ttl known since, which it lasts.
	Assumed    clock.Instant
	AssumedFor time.Duration
}

func (p pledge) binds(now clock.Instant) bool { return p.To != "" && now.Before(p.Until) }

// pledges are the words that others gave us.
type pledges struct {
	Plan   dcs.Plan      // of the last round in which all pledged and the guard acknowledged; zero: none
	Trying bool          // a round is under way
	Tried  clock.Instant // when the last round was begun
	Err    string        // why the last round failed
}

// right is the plan that our right to lead goes by: that of the lease, or that of the
// pledges of all others if it lasts longer.
func (v view) right() dcs.Plan { return later(v.Term.Plan, v.Pledges.Plan) }

// later is the plan whose server must be gone later.
func later(x, y dcs.Plan) dcs.Plan {
	if y.Kill.After(x.Kill) {
		return y
	}
	return x
}

// bind says whether all members still keep still for us.
func (p pledges) bind(now clock.Instant) bool { return now.Before(p.Plan.Timer) }

// request is what an operator asked of this member itself.
type request struct {
	Restart      bool
	Scheduled    ScheduledRestart
	Reinitialize bool
	FromLeader   bool
	Shutdown     bool
	ShutdownAt   clock.Instant
}

// memory is the little that a decision must know of those before it. It is
// comparable: a decision that leaves it unchanged and has nothing to do is an
// idle one.
type memory struct {
	FirstTouch clock.Instant // of our member entry by this agent
	LastTouch  clock.Instant
	LastSlots  clock.Instant
	Touched    string        // digest of what was published, less the positions
	Vacant     clock.Instant // since when nobody holds the leader key; zero: somebody does
	Courtesy   time.Duration // for how long nobody did before that, since somebody really led
	HeldBack   clock.Instant // when we last mustn't lead, however the others are; while nobody did
	Led        led           // how far the last leader came
	Blank      clock.Instant // since when the store has no position of a last leader; zero: it has one
	Leader     string        // who led last, as far as we have seen
	Unarmed    clock.Instant // since when we hold a grant that nothing may rest on; zero: we don't
	Futile     clock.Instant // when we gave the last one back although the guard answers
	Round      clock.Instant // answers of peers count if they were asked for since then
	Following  string        // the upstream that the server was told to follow
	ClearedFor dcs.Version   // the failover request that was seen to
	NotTaken   dcs.Version   // the failover request that we handed over for, and nobody took
	Refusal    string        // why that was
	Requested  requested     // the failover request that is there
	Winning    winning
	Handover   handover
	Checked    checked
	Bootstrap  bool // we are making a new cluster
	Begun      bool // the server of the new cluster was started
	Unwell     unwell
	Starts     starts
	Rewinds    tries
	Clones     tries
	Follows    tries
	Promotes   tries         // promotions that came to nothing before the server was asked
	Promoting  clock.Instant // when the promotion was requested; zero: none is under way
	Fresh      bool          // we promoted and have not asked for a checkpoint since
	History    uint32        // the timeline whose history we have published
	Failsafe   string        // digest of the failsafe map as we published it
	SecondLook clock.Instant // when peers were asked early
	Nudged     clock.Instant
	Dry        clock.Instant // since when the running standby has not been seen streaming; zero: it streams
	InitSince  clock.Instant // since when initialize is empty and nobody works on it
	Recovered  bool          // crash recovery was done since the server was last up
}

// led is what a leader leaves in the store that has been primary.
type led struct {
	Optime   uint64
	Timeline uint32
}

// winning is the cluster as it was when we found ourselves fit to lead.
type winning struct {
	Status  dcs.Version
	History dcs.Version
	Recheck bool // the candidate test must be repeated: somebody led in between
}

// requested is a failover request and when it was first seen.
type requested struct {
	Version dcs.Version
	Since   clock.Instant
}

// handover is a leader's way out of office.
type handover struct {
	Reason  string // empty: none
	Term    string // that it ends, by its first grant: in another one it is over
	To      string // whom it is for; empty: anyone
	Since   clock.Instant
	Request dcs.Version   // the failover request that asked for it; empty: none did
	Failed  string        // why it can't be done
	Stopped bool          // the server has been stopped for it
	Ended   clock.Instant // when that was seen
	Done    bool          // the key was released
}

// checked is the result of comparing our WAL with a leader's history.
type checked struct {
	Lineage  string // of the leader key whose holder we compared with
	Result   ancestry
	Reason   string
	Missing  postgres.LSN // the holder has removed the WAL from here on, which we need; 0: it hasn't
	At       clock.Instant
	Attempts int
}

type ancestry string

const (
	ancestryUnknown  ancestry = ""
	ancestryFits     ancestry = "fits"
	ancestryDiverged ancestry = "diverged"
)

// unwell says since when the server lets nobody in.
type unwell struct {
	Since clock.Instant
	PID   int
}

// starts counts starts that ended before the server was up.
type starts struct {
	Failed int
	Next   clock.Instant
	Why    string
	Since  clock.Instant // when the present start was made; zero: none is under way
}

// tries paces something that failed.
type tries struct {
	Failed int
	Next   clock.Instant
	Why    string
}

// failed counts one more failure and doubles the pause before the next try.
func (t tries) failed(now clock.Instant, why string) tries {
	return tries{Failed: t.Failed + 1, Next: now.Add(pause(t.Failed)), Why: why}
}

func (s starts) failed(now clock.Instant, why string) starts {
	return starts{Failed: s.Failed + 1, Next: now.Add(pause(s.Failed)), Why: why}
}

// pause grows from one second to a minute with the number of failures.
func pause(failed int) time.Duration {
	return min(time.Second<<min(failed, 6), time.Minute)
}
