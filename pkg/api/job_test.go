package api

import (
	"strings"
	"testing"
)

func TestValidate(t *testing.T) {
	good := Job{Kind: Image, Image: "http://10.0.0.1/a.img.zst", Disk: "first", Then: Kexec, SHA256: strings.Repeat("0a", 32)}
	tests := []struct {
		name   string
		change func(*Job)
		want   []string // parts of the message, none = valid
	}{
		{"image", func(*Job) {}, nil},
		{"what follows may be left out", func(j *Job) { j.Then = "" }, nil},
		{"https", func(j *Job) { j.Image = "https://h/x" }, nil},
		{"a frisbee server", func(j *Job) { j.Image, j.Multicast = "frisbee://239.1.2.3:7000", true }, nil},
		{"on an interface of the node", func(j *Job) { j.Image = "frisbee://239.1.2.3:7000%eth1" }, nil},
		{"on none", func(j *Job) { j.Image = "frisbee://239.1.2.3:7000%" }, []string{"frisbee://GROUP:PORT"}},
		{"a name on an interface", func(j *Job) { j.Image = "frisbee://boss%eth1" }, []string{"frisbee://GROUP:PORT"}},
		{"an image on an interface", func(j *Job) { j.Image = "frisbee://239.1.2.3:7000%eth1/x" }, []string{"frisbee://GROUP:PORT"}},
		{"an id with an escape", func(j *Job) { j.Image = "Frisbee://boss/a%20b" }, nil},
		{"a master server", func(j *Job) { j.Image = "frisbee://boss/testbed/debian" }, nil},
		{"no frisbee server", func(j *Job) { j.Image = "frisbee:///x" }, []string{"frisbee://GROUP:PORT"}},
		{"multicast", func(j *Job) { j.Multicast = true }, nil},
		{"boot by multicast", func(j *Job) { *j = Job{Kind: Boot, Multicast: true} }, []string{"multicast is for jobs of kind image"}},
		{"save to a frisbee server", func(j *Job) { *j = Job{Kind: Save, Image: "frisbee://h/x", Disk: "first"} }, []string{"not an http or https URL"}},
		{"burn-in", func(j *Job) { *j = Job{Kind: Burnin} }, nil},
		{"burn-in of all", func(j *Job) {
			*j = Job{Kind: Burnin, Burnin: &BurninOptions{For: "24h", Tests: []string{"memory", "disk"}, Memory: 0.5, Destructive: "all"}}
		}, nil},
		{"burn-in of nonsense", func(j *Job) {
			*j = Job{Kind: Burnin, Burnin: &BurninOptions{For: "1", Tests: []string{"fans"}, Memory: 1, Destructive: "first"}}
		}, []string{`burn-in for "1"`, `test "fans" unknown`, "share up to 0.95", "does not test disks"}},
		{"burn-in for ever", func(j *Job) { *j = Job{Kind: Burnin, Burnin: &BurninOptions{For: "9000h"}} }, []string{"want a time"}},
		{"burn-in with an image", func(j *Job) { j.Burnin = &BurninOptions{} }, []string{"burnin is for jobs of kind burnin"}},
		{"shell needs nothing", func(j *Job) { *j = Job{Kind: Shell} }, nil},
		{"no URL", func(j *Job) { j.Image = "a.img.zst" }, []string{"not an http or https URL"}},
		{"another scheme", func(j *Job) { j.Image = "ftp://h/x" }, []string{"not an http or https URL"}},
		{"no disk", func(j *Job) { j.Disk = "" }, []string{"no disk named"}},
		{"save needs both", func(j *Job) { *j = Job{Kind: Save} }, []string{"not an http", "no disk named"}},
		{"unknown kind", func(j *Job) { j.Kind = "imge" }, []string{`"imge" unknown`}},
		{"unknown end", func(j *Job) { j.Then = "halt" }, []string{`"halt" unknown`}},
		{"short digest", func(j *Job) { j.SHA256 = "0a" }, []string{"64 hexadecimal"}},
		{"root", func(j *Job) { j.Root = strings.Repeat("0a", 32) }, nil},
		{"short root", func(j *Job) { j.Root = "0a" }, []string{"job root", "64 hexadecimal"}},
		{"fitted", func(j *Job) { j.Grow, j.Hostname, j.NewMachineID, j.RemoveHostKeys = "last", "n1", true, true }, nil},
		{"nothing to fit", func(j *Job) {
			*j = Job{Kind: Boot, Grow: "last", Hostname: "n1", NewMachineID: true, RemoveHostKeys: true}
		},
			[]string{"grow is for", "hostname is for", "machine-id is for", "host keys is for jobs of kind image"}},
		{"image with what is for saving", func(j *Job) { j.Parent, j.Scrub = "http://h/x", true }, []string{"parent is for", "scrub is for jobs of kind save"}},
		{"save", func(j *Job) {
			*j = Job{Kind: Save, Image: "http://h/x", Disk: "first", Parent: "http://h/y", Scrub: true}
		}, nil},
		{"save with a root", func(j *Job) { *j = Job{Kind: Save, Image: "http://h/x", Disk: "first", Root: strings.Repeat("0a", 32)} }, []string{"root is for"}},
		{"parent is a name", func(j *Job) { *j = Job{Kind: Save, Image: "http://h/x", Disk: "first", Parent: "y"} }, []string{`parent "y" is not an http`}},
		{"digest of other letters", func(j *Job) { j.SHA256 = strings.Repeat("0g", 32) }, []string{"64 hexadecimal"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			job := good
			tt.change(&job)
			err := job.Validate()
			if (err == nil) != (tt.want == nil) {
				t.Fatalf("Validate = %v, want %q", err, tt.want)
			}
			for _, w := range tt.want {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("Validate = %v, want %q", err, w)
				}
			}
		})
	}
}
