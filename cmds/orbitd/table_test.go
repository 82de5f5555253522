package main

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/orbit-pxe/orbit/pkg/api"
)

func TestTable(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	list := []api.Node{
		{ID: mac1, Seen: now.Add(-3 * time.Second), State: api.Running, Job: &api.Job{Kind: api.Image, Image: "/images/debian.zst"},
			Hello:  &api.Hello{Address: "10.0.0.2", Product: "QEMU Standard  PC", Firmware: "uefi", Disks: []api.Disk{{Path: "/dev/vda", Size: 4 << 30}, {Path: "/dev/nvme0n1", Size: 1 << 20}}},
			Events: []api.Event{{Step: api.Write, State: api.Progress, Bytes: 1, Total: 4}, {Step: api.Write, State: api.Note}}},
		{ID: mac2, State: api.Broken, Job: &api.Job{Kind: api.Save, Image: "http://h/images/x.zst"}, Console: "no disk\nmatches\x1b[2J"},
		{ID: "52:54:00:00:00:03"},
		{ID: "52:54:00:00:00:04", State: api.Running, Job: &api.Job{Kind: api.Image, Image: "http://h/images/x.ndz"}, Events: []api.Event{
			{Step: api.Fetch, State: api.Note, Warn: true, Message: "multicast does not arrive (no answer within 5s): going by HTTP"}, {Step: api.Write, State: api.Started}}},
		{ID: "52:54:00:00:00:05", State: api.Assigned, Job: &api.Job{Kind: api.Boot}, Console: "no disk", Held: "its hardware is not what was accepted: memory.modules[A1]: gone"},
	}
	var out strings.Builder
	if err := table(&out, list, now, 0); err != nil {
		t.Fatal(err)
	}
	want := `NODE               ADDRESS   MACHINE                 DISKS                         JOB               STATE    LAST             SEEN
52:54:00:00:00:01  10.0.0.2  QEMU Standard PC uefi   vda:4.0GiB nvme0n1:1.0MiB     image debian.zst  running  write 25%        3s ago
52:54:00:00:00:02  -         -                       -                             save x.zst        failed   no disk matches?[2J  never
52:54:00:00:00:03  -         -                       -                             -                 -        -                never
52:54:00:00:00:04  -  -  -  image x.ndz  running  write start (multicast does not arrive)  never
52:54:00:00:00:05  -  -  -  boot  held  its hardware is not what was accepted: memory.modules[A1]: gone  never
`
	squeeze := func(s string) []string {
		var lines []string
		for line := range strings.Lines(s) {
			lines = append(lines, strings.Join(strings.Fields(line), " "))
		}
		return lines
	}
	if diff := cmp.Diff(squeeze(want), squeeze(out.String())); diff != "" {
		t.Errorf("table (-want +got):\n%s", diff)
	}

	// A terminal is not as wide as that.
	out.Reset()
	if err := table(&out, list, now, 80); err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(out.String()) {
		if len(strings.TrimSuffix(line, "\n")) > 80 {
			t.Errorf("%d columns: %s", len(line), line)
		}
	}
	for _, want := range []string{"running  3s ago\n      last write 25%\n", "last its hardware is not what was accepted: memory.modules[A1]: gone\n", "matches?[2J"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
}

func TestSessionTable(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	room := api.Room{Image: "debian.ndz", Peer: netip.MustParseAddrPort("239.192.3.4:21007"), Size: 3 << 30}
	var out strings.Builder
	err := sessionTable(&out, []api.Session{{Room: room, Interface: "eth1", Since: now.Add(-time.Minute), Clients: 7, Joined: 16,
		Bytes: 1 << 30, Rate: 412_000_000, Lost: 12}}, now)
	if err != nil {
		t.Fatal(err)
	}
	want := "IMAGE       SIZE     PEER               INTERFACE  NODES    SENT     RATE        LOST  SINCE\n" +
		"debian.ndz  3.0 GiB  239.192.3.4:21007  eth1       7 of 16  1.0 GiB  412 Mbit/s  12    1m0s ago\n"
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("table (-want +got):\n%s", diff)
	}
}
