package api

import "time"

// Step is one timed part of a job.
type Step string

const (
	Firmware Step = "firmware" // power on to the first instruction of our kernel
	Network  Step = "network"  // links, carrier, DHCP, clock
	PlanStep Step = "plan"     // checks before the first byte is written
	Fetch    Step = "fetch"    // bytes of the image file received
	Write    Step = "write"    // bytes written to (image) or read from (save) the disk
	Verify   Step = "verify"   // digests compared
	Commit   Step = "commit"   // partition table written, reread by the kernel
	Adapt    Step = "adapt"    // the system fitted to its disk and machine
	KexecTo  Step = "kexec"    // the installed system's kernel loaded and started
	Up       Step = "up"       // the installed system answers

	// Of a burn-in.
	BurninStep  Step = "burnin"  // all of it
	MemoryStep  Step = "memory"  // bytes read back and compared
	CPUStep     Step = "cpu"     // bytes that were computed on
	DiskStep    Step = "disk"    // bytes read, and written
	TrafficStep Step = "traffic" // bytes to and from the head
)

// State says what an event tells about its step.
type State string

const (
	Started  State = "start"
	Progress State = "progress"
	Done     State = "done"
	Failed   State = "failed"
	Note     State = "note" // something a person may want to know; the step goes on
)

// Event is one line of progress. Within a job every step starts once, has any
// number of progress and note events, and ends with done or failed.
type Event struct {
	Time    time.Time `json:"time"`
	Uptime  float64   `json:"uptime,omitempty"` // seconds since the kernel started, monotonic
	Job     string    `json:"job,omitempty"`    // Job.ID
	Step    Step      `json:"step"`
	State   State     `json:"state"`
	Bytes   int64     `json:"bytes,omitempty"`   // done so far
	Total   int64     `json:"total,omitempty"`   // to do, 0 where not known
	Seconds float64   `json:"seconds,omitempty"` // since the step started
	Message string    `json:"message,omitempty"` // for people; the error of a failed step
	Warn    bool      `json:"warn,omitempty"`    // of a note: somebody should look into it
}

// Sink receives events in order. It must return quickly and may drop progress
// events; a nil Sink is not valid: use Discard.
type Sink func(Event)

// Discard is the Sink that forgets.
func Discard(Event) {}
