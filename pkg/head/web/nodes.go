package web

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/orbit-pxe/orbit/pkg/api"
	"github.com/orbit-pxe/orbit/pkg/head/images"
	"github.com/orbit-pxe/orbit/pkg/head/node"
)

const (
	maxBody = 1 << 20         // bytes of one JSON request
	maxWait = 2 * time.Minute // a long poll lasts at most
)

// withNode reads the node's ID out of the path.
func (s *Site) withNode(serve func(w http.ResponseWriter, r *http.Request, id string)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		id, err := node.ParseID(r.PathValue("node"))
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		if !isJSON(r) {
			http.Error(w, "send application/json", http.StatusUnsupportedMediaType)
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		serve(w, r, id)
	}
}

// listNodes lists all nodes, or those that a query holds for.
func (s *Site) listNodes(w http.ResponseWriter, r *http.Request) {
	if r.FormValue("select") == "" {
		list := s.Nodes.List()
		for i := range list {
			list[i].Held = s.held(list[i])
		}
		reply(w, list)
		return
	}
	found, err := s.selected(r.FormValue("select"))
	if err != nil {
		refuse(w, err)
		return
	}
	list := []api.Node{}
	for _, f := range found {
		f.node.Held = s.held(f.node)
		list = append(list, f.node)
	}
	reply(w, list)
}

func (s *Site) getNode(w http.ResponseWriter, r *http.Request, id string) {
	n, err := s.Nodes.Get(id)
	if err != nil {
		refuse(w, err)
		return
	}
	n.Held = s.held(n)
	reply(w, n)
}

// assign takes a job from an operator. What can be seen to be wrong with it is
// said here, not when the node is up.
func (s *Site) assign(w http.ResponseWriter, r *http.Request, id string) {
	job, err := decode[api.Job](r)
	if err == nil {
		err = s.check(job, r)
	}
	if err != nil {
		refuse(w, err)
		return
	}
	n, err := s.Nodes.Assign(id, job, time.Now())
	if err != nil {
		refuse(w, err)
		return
	}
	reply(w, n)
}

func (s *Site) check(job api.Job, r *http.Request) error {
	if err := s.expand(job, r).Validate(); err != nil {
		return fmt.Errorf("%w: %w", errRequest, err)
	}
	if name, own := ownImage(job.Parent); own && job.Parent != "" && s.Images.RootOf(name) == "" {
		return fmt.Errorf("%w: there is no Orbit image %s at the head to be the parent", errRequest, name)
	}
	name, own := ownImage(job.Image)
	switch {
	case !own || job.Image == "":
		return nil
	case images.CheckName(name) != nil:
		return images.CheckName(name)
	case job.Kind == api.Image && !s.Images.Has(name):
		return fmt.Errorf("%w: there is no image %s at the head (put it into its images directory, or PUT it to /images/%s)", errRequest, name, name)
	}
	return nil
}

// expand completes a job for the node that asks: the head's own images become
// URLs by the address the node used, and get the root they have or else the
// digest they were stored with. Both would be too much: a digest of the file has
// the node read all of it, in order, which is not how multicast brings it. What
// that brings is checked chunk by chunk.
func (s *Site) expand(job api.Job, r *http.Request) api.Job {
	if name, own := ownImage(job.Parent); own && job.Parent != "" {
		job.Parent = base(r) + "/images/" + name
	}
	name, own := ownImage(job.Image)
	if !own || job.Image == "" {
		return job
	}
	job.Image = base(r) + "/images/" + name
	if job.Kind == api.Image && job.SHA256 == "" && job.Root == "" {
		if job.Root = s.Images.RootOf(name); job.Root == "" && !job.Multicast {
			job.SHA256 = s.Images.SHA256(name)
		}
	}
	return job
}

// ownImage tells names of images at the head from URLs.
func ownImage(image string) (name string, own bool) {
	if strings.Contains(image, "://") {
		return "", false
	}
	return strings.TrimPrefix(image, "/images/"), true
}

func (s *Site) clear(w http.ResponseWriter, r *http.Request, id string) {
	if err := s.Nodes.Clear(id); err != nil {
		refuse(w, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func (s *Site) hello(w http.ResponseWriter, r *http.Request, id string) {
	h, err := decode[api.Hello](r)
	if err != nil {
		refuse(w, err)
		return
	}
	s.handOut(w, r, s.Nodes.Hello(id, h, time.Now()))
}

// nextJob waits for a job as long as the node likes.
func (s *Site) nextJob(w http.ResponseWriter, r *http.Request, id string) {
	var wait time.Duration
	if text := r.FormValue("wait"); text != "" {
		d, err := time.ParseDuration(text)
		if err != nil || d < 0 {
			http.Error(w, fmt.Sprintf("wait=%q is not a duration such as 30s", text), http.StatusBadRequest)
			return
		}
		wait = min(d, maxWait)
	}
	s.handOut(w, r, s.Nodes.Next(r.Context(), id, wait))
}

func (s *Site) handOut(w http.ResponseWriter, r *http.Request, job *api.Job) {
	if job == nil {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	reply(w, s.expand(*job, r))
}

// events takes JSON lines. Lines that are whole count even if a later one is
// not: a node may lose its network in the middle.
func (s *Site) events(w http.ResponseWriter, r *http.Request, id string) {
	data, err := io.ReadAll(r.Body)
	var events []api.Event
	lines := bufio.NewScanner(bytes.NewReader(data))
	lines.Buffer(nil, maxBody)
	for lines.Scan() {
		if len(bytes.TrimSpace(lines.Bytes())) == 0 {
			continue
		}
		var e api.Event
		if bad := json.Unmarshal(lines.Bytes(), &e); bad != nil {
			if err == nil {
				err = fmt.Errorf("%w: event line %d: %w", errRequest, len(events)+1, bad)
			}
			break
		}
		events = append(events, e)
	}
	if recorded := s.Nodes.Record(id, events, time.Now()); recorded != nil {
		err = recorded
	}
	if err != nil {
		refuse(w, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// Result is how a node says that its job is over.
type Result struct {
	Job   string `json:"job"`
	OK    bool   `json:"ok"`
	Error string `json:"error,omitempty"`
}

func (s *Site) result(w http.ResponseWriter, r *http.Request, id string) {
	res, err := decode[Result](r)
	if err == nil {
		err = s.Nodes.Result(id, res.Job, res.OK, res.Error, time.Now())
	}
	if err != nil {
		refuse(w, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func decode[T any](r *http.Request) (value T, err error) {
	if err := json.NewDecoder(r.Body).Decode(&value); err != nil {
		return value, fmt.Errorf("%w: %w", errRequest, err)
	}
	return value, nil
}
