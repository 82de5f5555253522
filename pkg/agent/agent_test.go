package agent

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/orbit-pxe/orbit/pkg/api"
	"github.com/orbit-pxe/orbit/pkg/bootos"
	"github.com/orbit-pxe/orbit/pkg/bootparam"
	"github.com/orbit-pxe/orbit/pkg/head/images"
	"github.com/orbit-pxe/orbit/pkg/head/node"
	"github.com/orbit-pxe/orbit/pkg/head/web"
	"github.com/orbit-pxe/orbit/pkg/inventory"
	"github.com/orbit-pxe/orbit/pkg/netup"
)

const mac = "52:54:00:00:00:07"

// TestMain builds the programs that the agent runs.
func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "agent")
	if err == nil {
		var out []byte
		out, err = exec.Command("go", "build", "-tags", "node", "-o", dir+"/", "../../cmds/orbit", "../../cmds/imagenode", "../../cmds/savenode", "../../cmds/inventory").CombinedOutput()
		if err != nil {
			err = fmt.Errorf("build the node's programs: %w: %s", err, out)
		}
	}
	code := 1
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
	} else {
		os.Setenv("PATH", dir+":"+os.Getenv("PATH"))
		code = m.Run()
	}
	os.RemoveAll(dir)
	os.Exit(code)
}

// room is a head, a node and what happened.
type room struct {
	t      *testing.T
	dir    string
	site   *web.Site
	server *httptest.Server
	nodes  *node.Registry
	screen *screen
	config Config
	left   chan string // how the node left: kexec, reboot, poweroff
	loads  []bootos.Options
	cancel context.CancelFunc
	ended  chan struct{}
}

// screen is a console.
type screen struct {
	mu   sync.Mutex
	all  []string
	more chan struct{}
}

func (s *screen) Line(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all = append(s.all, text)
	close(s.more)
	s.more = make(chan struct{})
}
func (s *screen) Urgent(text string)    { s.Line(text) }
func (s *screen) Flush(context.Context) {}

func (s *screen) find(text string) (bool, chan struct{}, string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := strings.Join(s.all, "\n")
	return strings.Contains(all, text), s.more, all
}

func newRoom(t *testing.T) *room {
	t.Helper()
	dir := t.TempDir()
	log := slog.New(slog.DiscardHandler)
	nodes, err := node.Open(filepath.Join(dir, "nodes"), log)
	if err != nil {
		t.Fatal(err)
	}
	store, err := images.OpenOrbit(filepath.Join(dir, "images"), images.Options{})
	if err != nil {
		t.Fatal(err)
	}
	site := &web.Site{Nodes: nodes, Images: store, Artifacts: dir, Log: log}
	r := &room{t: t, dir: dir, site: site, nodes: nodes, server: httptest.NewServer(site.Handler()),
		screen: &screen{more: make(chan struct{})}, left: make(chan string, 10)}
	t.Cleanup(func() { r.server.CloseClientConnections(); r.server.Close() })
	leave := func(how string) func(context.Context) error {
		return func(ctx context.Context) error {
			r.left <- how
			<-ctx.Done() // as the real ones, it does not come back
			return ctx.Err()
		}
	}
	r.config = Config{
		Params: bootparam.Params{Head: r.server.URL, Consoles: []string{"ttyS0"}},
		State:  filepath.Join(dir, "run"), Out: r.screen, Retry: 10 * time.Millisecond, Linger: time.Millisecond,
		Network: func(context.Context, netup.Config) (*netup.Network, error) {
			return &netup.Network{Interface: "test0", MAC: mac, Addr: netip.MustParsePrefix("127.0.0.1/8")}, nil
		},
		Machine: Machine{
			Hello:   func(ctx context.Context) (api.Hello, error) { return inventory.Hello(ctx, "/") },
			Name:    func(string) error { return nil },
			Shells:  func() { r.screen.Line("(shells)") },
			Resolve: func(ctx context.Context, s string) (string, error) { return resolve(ctx, s, log) },
			Load: func(_ context.Context, o bootos.Options) error {
				r.loads = append(r.loads, o)
				return nil
			},
			Kexec: leave("kexec"), Reboot: leave("reboot"), Poweroff: leave("poweroff"),
		},
	}
	return r
}

// start runs the agent until the test ends, or stop.
func (r *room) start() {
	ctx, cancel := context.WithCancel(context.Background())
	r.cancel, r.ended = cancel, make(chan struct{})
	go func() {
		defer close(r.ended)
		if err := Run(ctx, r.config); !errors.Is(err, context.Canceled) {
			r.t.Errorf("agent ended with %v", err)
		}
	}()
	r.t.Cleanup(r.stop)
}

func (r *room) stop() {
	r.cancel()
	<-r.ended
}

// wait waits for a line on the console.
func (r *room) wait(text string) {
	r.t.Helper()
	end := time.After(20 * time.Second)
	for {
		ok, more, all := r.screen.find(text)
		if ok {
			return
		}
		select {
		case <-more:
		case <-end:
			r.t.Fatalf("the console did not say %q but:\n%s", text, all)
		}
	}
}

func (r *room) leaves(want string) {
	r.t.Helper()
	select {
	case got := <-r.left:
		if got != want {
			r.t.Errorf("the node left by %s, want %s", got, want)
		}
	case <-time.After(20 * time.Second):
		_, _, all := r.screen.find("")
		r.t.Fatalf("the node did not leave (want %s); console:\n%s", want, all)
	}
}

func (r *room) stays() {
	r.t.Helper()
	select {
	case how := <-r.left:
		r.t.Errorf("the node left by %s, want it to stay", how)
	default:
	}
}

// call speaks to the head as an operator does.
func (r *room) call(method, path string, in, out any) {
	r.t.Helper()
	body, err := json.Marshal(in)
	if err != nil {
		r.t.Fatal(err)
	}
	req, err := http.NewRequest(method, r.server.URL+path, bytes.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer resp.Body.Close()
	reply, _ := io.ReadAll(resp.Body)
	if resp.StatusCode/100 != 2 {
		r.t.Fatalf("%s %s: %s: %s", method, path, resp.Status, reply)
	}
	if out != nil {
		if err := json.Unmarshal(reply, out); err != nil {
			r.t.Fatal(err)
		}
	}
}

func (r *room) assign(job api.Job) { r.call(http.MethodPut, "/v1/nodes/"+mac+"/job", job, nil) }

func (r *room) node() (n api.Node) {
	r.call(http.MethodGet, "/v1/nodes/"+mac, nil, &n)
	return n
}

// image stores random bytes as an image at the head, and a disk to hold it.
func (r *room) image(name string) (content []byte, sum, disk string) {
	r.t.Helper()
	content = make([]byte, 3<<20)
	rand.Read(content)
	if err := os.WriteFile(filepath.Join(r.dir, "images", name), content, 0o644); err != nil {
		r.t.Fatal(err)
	}
	disk = filepath.Join(r.dir, "disk")
	if err := os.WriteFile(disk, make([]byte, 4<<20), 0o644); err != nil {
		r.t.Fatal(err)
	}
	digest := sha256.Sum256(content)
	return content, hex.EncodeToString(digest[:]), disk
}

func (r *room) holds(disk string, content []byte) {
	r.t.Helper()
	got, err := os.ReadFile(disk)
	if err != nil || !bytes.HasPrefix(got, content) {
		r.t.Errorf("the disk does not hold the image (%v)", err)
	}
}

func TestImageThenKexec(t *testing.T) {
	r := newRoom(t)
	content, sum, disk := r.image("a.img")
	r.assign(api.Job{Kind: api.Image, Image: "a.img", SHA256: sum, Disk: disk, Append: "quiet"})
	r.start()
	r.leaves("kexec")
	r.holds(disk, content)
	if len(r.loads) != 1 || r.loads[0].Disk != disk || r.loads[0].Append != "quiet" || len(r.loads[0].Consoles) != 1 {
		t.Errorf("loaded %+v, want the disk once with the job's words and the node's console", r.loads)
	}
	n := r.node()
	if n.State != api.Succeeded {
		t.Errorf("job is %q at the head, want succeeded", n.State)
	}
	if n.Hello == nil || n.Hello.MAC != mac || n.Hello.Address != "127.0.0.1" || n.Hello.Memory == 0 {
		t.Errorf("hello is %+v", n.Hello)
	}
	ended := map[api.Step]bool{}
	for _, e := range n.Events {
		if e.Job != n.Job.ID {
			t.Errorf("event %+v does not belong to job %s", e, n.Job.ID)
		}
		if e.Uptime == 0 {
			t.Errorf("event %+v has no uptime", e)
		}
		ended[e.Step] = ended[e.Step] || e.State == api.Done
	}
	for _, step := range []api.Step{api.Network, api.Fetch, api.Write, api.Verify, api.Commit, api.KexecTo} {
		if !ended[step] {
			t.Errorf("the head does not know that step %s ended", step)
		}
	}
	for _, text := range []string{"network", "fetch", "write", "timeline", "job image succeeded; kexec"} {
		r.wait(text)
	}
}

func TestFailedImageStaysAndTakesTheNext(t *testing.T) {
	r := newRoom(t)
	content, sum, disk := r.image("a.img")
	r.assign(api.Job{Kind: api.Image, Image: "a.img", SHA256: strings.Repeat("0", 64), Disk: disk})
	r.start()
	r.wait("job image FAILED: imagenode: ")
	r.wait("this node stays as it is")
	r.stays()
	if n := r.node(); n.State != api.Broken || !strings.Contains(n.Console, sum) {
		t.Errorf("job is %q at the head because of %q, want it failed with the digest that was found", n.State, n.Console)
	}
	r.assign(api.Job{Kind: api.Image, Image: "a.img", SHA256: sum, Disk: disk, Then: api.Reboot})
	r.leaves("reboot")
	r.holds(disk, content)
}

func TestRefusedImage(t *testing.T) {
	r := newRoom(t)
	r.image("a.img")
	r.assign(api.Job{Kind: api.Image, Image: "a.img", Disk: "/dev/null"}) // not a disk
	r.start()
	r.wait("job image FAILED: imagenode refused, the disk is unchanged: ")
	r.stays()
}

func TestWithoutHead(t *testing.T) {
	r := newRoom(t)
	content, sum, disk := r.image("a.img")
	r.config.Params.Head = ""
	r.config.Params.Job = api.Job{Kind: api.Image, Image: r.server.URL + "/images/a.img", SHA256: sum, Disk: disk, Then: api.Poweroff}
	r.start()
	r.leaves("poweroff")
	r.holds(disk, content)
}

func TestWithoutHeadFailureStays(t *testing.T) {
	r := newRoom(t)
	_, _, disk := r.image("a.img")
	r.config.Params.Head = ""
	r.config.Params.Job = api.Job{Kind: api.Image, Image: r.server.URL + "/images/none.img", Disk: disk}
	r.start()
	r.wait("job image FAILED: imagenode")
	r.wait("press Enter for a shell")
	r.stays()
}

func TestKexecRefusedReboots(t *testing.T) {
	r := newRoom(t)
	_, sum, disk := r.image("a.img")
	r.config.Machine.Load = func(context.Context, bootos.Options) error { return errors.New("the kernel is locked down") }
	r.assign(api.Job{Kind: api.Image, Image: "a.img", SHA256: sum, Disk: disk})
	r.start()
	r.leaves("reboot")
	r.wait("kexec is not possible: the kernel is locked down")
	if n := r.node(); n.State != api.Succeeded {
		t.Errorf("job is %q at the head, want succeeded: the image is on the disk", n.State)
	}
}

func TestBootJobThatCannot(t *testing.T) {
	r := newRoom(t)
	_, _, disk := r.image("a.img")
	r.config.Machine.Load = func(context.Context, bootos.Options) error { return errors.New("no system found") }
	r.assign(api.Job{Kind: api.Boot, Disk: disk})
	r.start()
	r.leaves("reboot")
	if n := r.node(); n.State != api.Broken || n.Console != "no system found" {
		t.Errorf("job is %q at the head because of %q", n.State, n.Console)
	}
}

func TestSave(t *testing.T) {
	r := newRoom(t)
	_, _, disk := r.image("a.img")
	r.assign(api.Job{Kind: api.Save, Image: "saved.zst", Disk: disk, Then: api.Poweroff})
	r.start()
	r.leaves("poweroff")
	if st, err := os.Stat(filepath.Join(r.dir, "images", "saved.zst")); err != nil || st.Size() == 0 {
		t.Errorf("the head did not get the image: %v", err)
	}
}

func TestInventoryStays(t *testing.T) {
	r := newRoom(t)
	r.assign(api.Job{Kind: api.Inventory})
	r.start()
	r.wait("job inventory succeeded; stay up")
	r.wait("waiting for a job")
	r.stays()
}

// TestHeadComesLate takes the head's port before the head is there.
func TestHeadComesLate(t *testing.T) {
	r := newRoom(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	r.config.Params.Head = "http://" + addr
	r.start()
	r.wait("say hello to the head: ")
	late := httptest.NewUnstartedServer(r.server.Config.Handler)
	late.Listener.Close()
	if late.Listener, err = net.Listen("tcp", addr); err != nil {
		t.Skipf("the port was taken by someone else: %v", err)
	}
	late.Start()
	t.Cleanup(func() { late.CloseClientConnections(); late.Close() })
	r.assign(api.Job{Kind: api.Boot, Disk: "/dev/null/none"})
	r.wait("job: boot /dev/null/none")
}

// TestHeadGone loses the head between the job and its report.
func TestHeadGone(t *testing.T) {
	r := newRoom(t)
	_, sum, disk := r.image("a.img")
	r.config.Bound = 200 * time.Millisecond
	r.config.Machine.Load = func(context.Context, bootos.Options) error {
		r.server.CloseClientConnections()
		r.server.Listener.Close()
		return nil
	}
	r.assign(api.Job{Kind: api.Image, Image: "a.img", SHA256: sum, Disk: disk})
	r.start()
	r.leaves("kexec")
	r.wait("the head has not heard how the job ended")
}

// TestNotTwice starts the agent again after a job, as process 1 does when it
// has crashed.
func TestNotTwice(t *testing.T) {
	r := newRoom(t)
	_, _, disk := r.image("a.img")
	r.config.Params.Head = ""
	r.config.Params.Job = api.Job{Kind: api.Image, Image: r.server.URL + "/images/a.img", Disk: disk, Then: api.Stay}
	r.start()
	r.wait("job image succeeded; stay up")
	r.stop()
	precious := []byte("written since")
	if err := os.WriteFile(disk, precious, 0o644); err != nil {
		t.Fatal(err)
	}
	r.screen = &screen{more: make(chan struct{})}
	r.config.Out = r.screen
	r.start()
	r.wait("this job has already run")
	r.wait("job image succeeded; stay up")
	r.holds(disk, precious)
}

func TestProgramThatDies(t *testing.T) {
	r := newRoom(t)
	bin := t.TempDir()
	script := "#!/bin/sh\necho reading >&2\nkill -KILL $$\n"
	if err := os.WriteFile(filepath.Join(bin, "imagenode"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
	r.assign(api.Job{Kind: api.Image, Image: "http://127.0.0.1/a.img", Disk: "first"})
	r.start()
	r.wait("job image FAILED: imagenode ended by signal: killed (out of memory? see dmesg): reading")
	r.stays()
}

func TestNetworkForEver(t *testing.T) {
	r := newRoom(t)
	works := r.config.Network
	tries := 0
	r.config.Network = func(ctx context.Context, c netup.Config) (*netup.Network, error) {
		if tries++; tries < 3 {
			return nil, &netup.NoAnswerError{Waited: time.Minute, Interfaces: []string{"eth0: no carrier"}}
		}
		return works(ctx, c)
	}
	r.start()
	r.wait("bring network up: no address after 1m0s: eth0: no carrier")
	r.wait("waiting for a job")
}
