package agent

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/orbit-pxe/orbit/pkg/api"
	"github.com/orbit-pxe/orbit/pkg/head/sessions"
	"github.com/orbit-pxe/orbit/pkg/netup"
)

// TestRoom asks heads of all kinds for a session.
func TestRoom(t *testing.T) {
	const good = `{"peer":"239.192.3.4:21007","server":"10.0.0.1","block":0}`
	for _, test := range []struct {
		name   string
		job    api.Job
		status int
		reply  string
		addr   string // of the node, "" is 10.0.0.2/24
		want   string // "" is by HTTP
		note   string // part of it, "" is none
	}{
		{"yes", api.Job{Multicast: true, Root: "0b"}, 200, good, "", "239.192.3.4:21007%eth0", ""},
		{"blocks as usual", api.Job{Multicast: true}, 200, `{"peer":"239.192.3.4:21007","block":1024}`, "", "239.192.3.4:21007%eth0", ""},
		{"not wanted", api.Job{}, 200, good, "", "", ""},
		{"no", api.Job{Multicast: true}, 503, "there are 16 multicast sessions already", "", "", "there are 16 multicast sessions already"},
		{"an older head", api.Job{Multicast: true}, 404, "404 page not found", "", "", "404"},
		{"no head", api.Job{Multicast: true}, 200, "<html>", "", "", "invalid character"},
		{"something else", api.Job{Multicast: true}, 200, "{}", "", "", "names no group"},
		{"a group of IPv6", api.Job{Multicast: true}, 200, `{"peer":"[ff02::1]:21007"}`, "", "", "names no group"},
		{"a port of none", api.Job{Multicast: true}, 200, `{"peer":"239.1.1.1:0"}`, "", "", "names no group"},
		{"other blocks", api.Job{Multicast: true}, 200, `{"peer":"239.192.3.4:21007","block":8192}`, "", "", "8192"},
		{"IPv6 only", api.Job{Multicast: true}, 200, good, "fd00::2/64", "", "no IPv4"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var asked []string
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				asked = append(asked, r.Method+" "+r.URL.Path+" "+string(body))
				w.WriteHeader(test.status)
				io.WriteString(w, test.reply)
			}))
			defer server.Close()
			addr := "10.0.0.2/24"
			if test.addr != "" {
				addr = test.addr
			}
			test.job.Kind, test.job.Image = api.Image, server.URL+"/images/a.ndz"
			var notes []api.Event
			for _, known := range []bool{true, false} { // a node has a head, or only the image's URL
				a := newAgent(Config{Out: &screen{more: make(chan struct{})}})
				a.net = &netup.Network{Interface: "eth0", MAC: mac, Addr: netip.MustParsePrefix(addr)}
				if known {
					a.head = newHead(server.URL+"/", mac)
					a.report = newReporter(func(_ context.Context, e []api.Event) error { notes = append(notes, e...); return nil },
						slog.New(slog.DiscardHandler), 0)
					a.report.about("j")
				}
				if got := a.room(t.Context(), test.job); got != test.want {
					t.Errorf("room %q, want %q", got, test.want)
				}
				if known {
					a.report.flush(t.Context())
				}
				a.net = nil
				a.close()
			}
			switch {
			case test.note == "" && len(notes) > 0, test.note != "" && len(notes) != 1:
				t.Errorf("notes %+v", notes)
			case test.note != "" && (!notes[0].Warn || notes[0].State != api.Note ||
				!strings.HasPrefix(notes[0].Message, "no multicast, the image comes by HTTP alone: ") || !strings.Contains(notes[0].Message, test.note)):
				t.Errorf("note %+v, want %q", notes[0], test.note)
			}
			if test.job.Multicast && test.addr == "" {
				var ask api.Join
				text, ok := strings.CutPrefix(asked[0], "POST /v1/multicast ")
				err := json.Unmarshal([]byte(text), &ask)
				if diff := cmp.Diff(api.Join{Image: test.job.Image, Root: test.job.Root}, ask); !ok || err != nil || diff != "" || len(asked) != 2 {
					t.Errorf("asked %q, %v (-want +got):\n%s", asked, err, diff)
				}
			} else if len(asked) > 0 {
				t.Errorf("asked %q", asked)
			}
		})
	}
}

// A head that cannot be reached is done without.
func TestRoomWithoutAnswer(t *testing.T) {
	server := httptest.NewServer(nil)
	url := server.URL
	server.Close()
	a := newAgent(Config{Out: &screen{more: make(chan struct{})}})
	a.net = &netup.Network{Interface: "eth0", MAC: mac, Addr: netip.MustParsePrefix("10.0.0.2/24")}
	if got := a.room(t.Context(), api.Job{Kind: api.Image, Image: url + "/images/a", Multicast: true}); got != "" {
		t.Errorf("room %q", got)
	}
}

// TestMulticastRefused has a real head say no, because multicast does not go by
// loopback, and the node write the image all the same.
func TestMulticastRefused(t *testing.T) {
	r := newRoom(t)
	table, err := sessions.New(sessions.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { table.Close() })
	r.site.Sessions = table
	content, _, disk := r.image("a.img")
	r.assign(api.Job{Kind: api.Image, Image: "a.img", Disk: disk, Multicast: true})
	r.start()
	r.leaves("kexec")
	r.holds(disk, content)
	r.wait("no multicast, the image comes by HTTP alone: ")
	warnings := 0
	for _, e := range r.node().Events {
		if e.Warn {
			warnings++
			if e.Step != api.Fetch || !strings.Contains(e.Message, "interface lo has none") {
				t.Errorf("warning %+v", e)
			}
		}
	}
	if warnings != 1 {
		t.Errorf("%d warnings, want one", warnings)
	}
}
