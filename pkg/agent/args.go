package agent

import (
	"cmp"
	"strconv"

	"github.com/orbit-pxe/orbit/pkg/api"
)

// imageArgs is a job as imagenode takes it; room is where the image comes by
// multicast, "" where it does not.
func imageArgs(job api.Job, room string) []string {
	args := value(waiting(), "--multicast", room)
	args = value(args, "--sha256", job.SHA256)
	args = value(args, "--root", job.Root)
	args = value(args, "--grow", job.Grow)
	args = value(args, "--hostname", job.Hostname)
	args = option(args, "--new-machine-id", job.NewMachineID)
	args = option(args, "--remove-ssh-host-keys", job.RemoveHostKeys)
	return append(args, "--", job.Image, job.Disk)
}

// saveArgs is a job as savenode takes it.
func saveArgs(job api.Job) []string {
	args := waiting()
	args = value(args, "--parent", job.Parent)
	args = option(args, "--scrub", job.Scrub)
	return append(args, "--", job.Disk, job.Image)
}

// burninArgs is a job as orbit burnin takes it, which leaves its result in a file.
// head is "" without one.
func burninArgs(job api.Job, head, result string) []string {
	args := []string{"burnin", "--here", "--json", "--result=" + result}
	if o := job.Burnin; o != nil {
		args = value(args, "--for", o.For)
		tests, share := o.Tests, o.Memory
		if len(tests) == 0 && share != 0 { // all, but one of them in another way
			tests = api.BurninTests()
		}
		for _, t := range tests {
			switch {
			case t == api.MemoryTest:
				args = value(args, "--memory", strconv.FormatFloat(cmp.Or(share, api.DefaultMemory), 'g', -1, 64))
			case t != api.NetworkTest || head != "" || len(o.Tests) > 0:
				args = append(args, "--"+t)
			}
		}
		args = value(args, "--destructive", o.Destructive)
	}
	return value(args, "--head", head)
}

// waiting are the first arguments of both: some controllers find their disks late.
func waiting() []string { return []string{"--json", "--wait", "30s"} }

func value(args []string, name, value string) []string {
	if value == "" {
		return args
	}
	return append(args, name+"="+value)
}

func option(args []string, name string, on bool) []string {
	if !on {
		return args
	}
	return append(args, name)
}
