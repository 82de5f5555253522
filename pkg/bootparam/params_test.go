package bootparam

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/orbit-pxe/orbit/pkg/api"
)

func TestParse(t *testing.T) {
	tests := []struct {
		name, line string
		want       Params
		err        string // part of the message
	}{
		{name: "nothing of ours", line: "root=/dev/sda1 ro quiet"},
		{
			name: "head and boot interface",
			line: "initrd=initramfs orbit.head=http://10.0.0.1:8080/ BOOTIF=01-52-54-00-AA-bb-01 console=tty0 console=ttyS0,115200\n",
			want: Params{Head: "http://10.0.0.1:8080", BootMAC: "52:54:00:aa:bb:01", Consoles: []string{"tty0", "ttyS0,115200"}},
		},
		{
			name: "no head",
			line: `orbit.job=image orbit.image=http://h/d.img.zst orbit.disk=bus=nvme,size>=200G orbit.then=poweroff orbit.append="a=1 b"`,
			want: Params{Job: api.Job{Kind: api.Image, Image: "http://h/d.img.zst", Disk: "bus=nvme,size>=200G", Then: api.Poweroff, Append: "a=1 b"}},
		},
		{
			name: "all of an image",
			line: "orbit.job=image orbit.image=http://h/d orbit.disk=first orbit.root=" + strings.Repeat("ab", 32) +
				" orbit.grow=last orbit.hostname=n1 orbit.new_machine_id orbit.remove-ssh-host-keys=yes orbit.multicast=1",
			want: Params{Job: api.Job{Kind: api.Image, Image: "http://h/d", Disk: "first", Root: strings.Repeat("ab", 32),
				Grow: "last", Hostname: "n1", NewMachineID: true, RemoveHostKeys: true, Multicast: true}},
		},
		{name: "all of a save", line: "orbit.job=save orbit.image=http://h/d orbit.disk=first orbit.parent=http://h/c orbit.scrub=1",
			want: Params{Job: api.Job{Kind: api.Save, Image: "http://h/d", Disk: "first", Parent: "http://h/c", Scrub: true}}},
		{name: "switched off", line: "orbit.scrub=1 orbit.scrub=0"},
		{name: "no switch", line: "orbit.scrub=maybe", err: "orbit.scrub=maybe: neither 1 nor 0"},
		{name: "parent for an image", line: "orbit.job=image orbit.image=http://h/d orbit.disk=first orbit.parent=http://h/c",
			want: Params{Job: api.Job{Kind: api.Image, Image: "http://h/d", Disk: "first", Parent: "http://h/c"}}, err: "parent is for"},
		{name: "quotes around the word", line: `"orbit.disk=model=A B" orbit.job=save orbit.image=http://h/x`,
			want: Params{Job: api.Job{Kind: api.Save, Image: "http://h/x", Disk: "model=A B"}}},
		{name: "seconds", line: "orbit.patience=90 orbit.vlan=12", want: Params{Patience: 90 * time.Second, VLAN: 12}},
		{name: "last one counts", line: "orbit.vlan=12 orbit.vlan=13", want: Params{VLAN: 13}},
		{name: "colons, no type", line: "BOOTIF=52:54:00:aa:bb:01", want: Params{BootMAC: "52:54:00:aa:bb:01"}},
		{name: "misspelt", line: "orbit.imgae=x", err: "orbit.imgae is unknown"},
		{name: "bad vlan", line: "orbit.vlan=4095", err: "orbit.vlan=4095: not a VLAN"},
		{name: "bad head", line: "orbit.head=10.0.0.1", want: Params{Head: "10.0.0.1"}, err: "not an http"},
		{name: "bad address", line: "BOOTIF=01-52-54", err: "not an Ethernet address"},
		{name: "image without disk", line: "orbit.job=image orbit.image=http://h/x",
			want: Params{Job: api.Job{Kind: api.Image, Image: "http://h/x"}}, err: "no disk named"},
		{name: "job forgotten", line: "orbit.disk=first", want: Params{Job: api.Job{Disk: "first"}}, err: "orbit.job is missing"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Parse(tt.line)
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("Parse(%q) (-want +got):\n%s", tt.line, diff)
			}
			if (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
				t.Errorf("Parse(%q) error = %v, want %q", tt.line, err, tt.err)
			}
		})
	}
}

func TestArgsRoundTrip(t *testing.T) {
	want := Params{
		Head: "http://10.0.0.1:8080", BootMAC: "52:54:00:aa:bb:01", Patience: 90 * time.Second, VLAN: 7,
		IP: "10.0.0.5::10.0.0.1:255.255.255.0::eth0:none", Consoles: []string{"tty0", "ttyS1,9600n8"},
		Job: api.Job{ID: "j1", Kind: api.Image, Image: "http://h/a b", SHA256: strings.Repeat("ab", 32),
			Disk: "model=X Y", Then: api.Reboot, Append: "quiet splash", Root: strings.Repeat("cd", 32),
			Grow: "last", Hostname: "n1.example", NewMachineID: true, RemoveHostKeys: true, Multicast: true},
	}
	got, err := Parse(strings.Join(want.Args(), " "))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Parse(Args()) (-want +got):\n%s", diff)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(`orbit.append="a=1 b" "orbit.disk=x y" BOOTIF=01-52-54-00-aa-bb-01 orbit.patience=3m`)
	f.Fuzz(func(t *testing.T, line string) {
		p, err := Parse(line)
		if err != nil || strings.ContainsRune(line, '"') {
			return
		}
		again, err := Parse(strings.Join(p.Args(), " "))
		if err != nil {
			t.Fatalf("Parse(Args()) of %q: %v", line, err)
		}
		if diff := cmp.Diff(p, again); diff != "" {
			t.Fatalf("Parse(Args()) of %q (-want +got):\n%s", line, diff)
		}
	})
}
