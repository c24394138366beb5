// The life of a worker as a table: what each event means in each state.

package supervisor

// state is where a worker is in its life.
type state uint8

const (
	starting state = iota // spawned, or about to be; the application loads
	ready                 // serves
	draining              // told to leave, or about to be killed
	waiting               // no process: backs off before the next start
	gone                  // over
	numStates
)

var stateNames = [numStates]string{"starting", "ready", "draining", "waiting", "gone"}

func (s state) String() string { return stateNames[s] }

// event is what can happen to a worker.
type event uint8

const (
	evSpawned event = iota // its process exists
	evReady                // the application is loaded
	evFailed               // the worker says that the application cannot be loaded
	evExit                 // its process ended, and its slot wants it back
	evEnd                  // its process ended for good
	evOver                 // a recycling limit is reached
	evHard                 // the hard memory limit is passed
	evStuck                // a request is over its limit
	evAlone                // nothing but stuck requests are left
	evSilent               // no heartbeat
	evResign               // it leaves, and nobody here told it to
	evDrain                // leave when what is in flight is done
	evHurry                // leave within a second
	evKill                 // now
	evTimer                // its alarm
	evDumped               // its stacks are written
	numEvents
)

var eventNames = [numEvents]string{"spawned", "ready", "failed", "exit", "end", "over", "hard", "stuck", "alone", "silent",
	"resign", "drain", "hurry", "kill", "timer", "dumped"}

func (e event) String() string { return eventNames[e] }

// step is the answer to an event: the state that follows, then what is done.
type step struct {
	next state
	do   func(*worker, message)
}

// A zero entry means that the event is ignored on purpose. Actions never handle
// events themselves: they leave them to the loop (Supervisor.after).
var table = [numStates][numEvents]step{
	starting: {
		evSpawned: {starting, (*worker).attend},
		evReady:   {ready, (*worker).settle},
		evFailed:  {starting, (*worker).fail},
		evTimer:   {starting, (*worker).overdue},
		evDumped:  {starting, (*worker).kill},
		evExit:    {waiting, (*worker).backOff},
		evEnd:     {gone, (*worker).bury},
		evDrain:   {draining, (*worker).giveUp},
		evHurry:   {draining, (*worker).hurry},
		evKill:    {draining, (*worker).kill},
	},
	ready: {
		evOver:   {ready, (*worker).replace},
		evStuck:  {ready, (*worker).condemn},
		evHard:   {draining, (*worker).slay},
		evSilent: {draining, (*worker).slay},
		evResign: {draining, (*worker).resign},
		evAlone:  {draining, (*worker).execute},
		evTimer:  {draining, (*worker).execute},
		evExit:   {waiting, (*worker).backOff},
		evEnd:    {gone, (*worker).bury},
		evDrain:  {draining, (*worker).drain},
		evHurry:  {draining, (*worker).hurry},
		evKill:   {draining, (*worker).kill},
	},
	draining: {
		evSpawned: {draining, (*worker).attend},
		evReady:   {draining, (*worker).drain},
		evAlone:   {draining, (*worker).execute},
		evHard:    {draining, (*worker).slay},
		evTimer:   {draining, (*worker).execute},
		evDumped:  {draining, (*worker).kill},
		evEnd:     {gone, (*worker).bury},
		evHurry:   {draining, (*worker).hurry},
		evKill:    {draining, (*worker).kill},
	},
	waiting: {
		evTimer: {starting, (*worker).start},
		evDrain: {gone, (*worker).bury},
		evHurry: {gone, (*worker).bury},
		evKill:  {gone, (*worker).bury},
	},
	gone: {},
}
