package agent

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/orbit-pxe/orbit/pkg/api"
)

func TestBurninArgs(t *testing.T) {
	for _, test := range []struct {
		job  *api.BurninOptions
		head string
		want string
	}{
		{nil, "", ""},
		{nil, "http://h", " --head=http://h"},
		{&api.BurninOptions{For: "1h", Tests: []string{"disk", "memory"}, Destructive: "first"}, "http://h", " --for=1h --disk --memory=0.9 --destructive=first --head=http://h"},
		{&api.BurninOptions{Memory: 0.5}, "http://h", " --memory=0.5 --cpu --disk --network --head=http://h"},
		{&api.BurninOptions{Memory: 0.5}, "", " --memory=0.5 --cpu --disk"},
		{&api.BurninOptions{Tests: []string{"network"}, Memory: 0.5}, "", " --network"},
	} {
		got := strings.Join(burninArgs(api.Job{Kind: api.Burnin, Burnin: test.job}, test.head, "/r"), " ")
		if diff := cmp.Diff("burnin --here --json --result=/r"+test.want, got); diff != "" {
			t.Errorf("arguments (-want +got):\n%s", diff)
		}
	}
}

func TestArgs(t *testing.T) {
	alone := func(job api.Job) []string { return imageArgs(job, "") }
	for _, test := range []struct {
		name string
		args func(api.Job) []string
		job  api.Job
		want string
	}{
		{"image", alone, api.Job{Image: "http://h/a", Disk: "first"}, "-- http://h/a first"},
		{"image with digest", alone, api.Job{Image: "http://h/a", Disk: "first", SHA256: "0a"}, "--sha256=0a -- http://h/a first"},
		{"image, all", alone, api.Job{Image: "http://h/a", Disk: "first", Root: "0b", Grow: "last", Hostname: "-n", NewMachineID: true, RemoveHostKeys: true},
			"--root=0b --grow=last --hostname=-n --new-machine-id --remove-ssh-host-keys -- http://h/a first"},
		{"image by multicast", func(job api.Job) []string { return imageArgs(job, "239.1.2.3:7000%eth0") },
			api.Job{Image: "http://h/a", Disk: "first", Root: "0b", Multicast: true}, "--multicast=239.1.2.3:7000%eth0 --root=0b -- http://h/a first"},
		{"image from a frisbee server", alone, api.Job{Image: "frisbee://h/a", Disk: "first"}, "-- frisbee://h/a first"},
		{"save", saveArgs, api.Job{Image: "http://h/a", Disk: "first"}, "-- first http://h/a"},
		{"save, all", saveArgs, api.Job{Image: "http://h/a", Disk: "-d", Parent: "http://h/b", Scrub: true}, "--parent=http://h/b --scrub -- -d http://h/a"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if diff := cmp.Diff("--json --wait 30s "+test.want, strings.Join(test.args(test.job), " ")); diff != "" {
				t.Errorf("arguments (-want +got):\n%s", diff)
			}
		})
	}
}
