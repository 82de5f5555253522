package agent

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/orbit-pxe/orbit/pkg/api"
)

// head is the node's side of the head's HTTP interface.
type head struct {
	base   string // its URL
	node   string // URL of this node at the head
	client *http.Client
}

// longPoll is how long the head may keep a question for a job open.
const longPoll = 30 * time.Second

func newHead(base, mac string) *head {
	base = strings.TrimRight(base, "/")
	return &head{
		base: base,
		node: base + "/v1/nodes/" + mac,
		client: &http.Client{
			Timeout: longPoll + 15*time.Second,
			Transport: &http.Transport{
				Proxy:                 http.ProxyFromEnvironment,
				DialContext:           (&net.Dialer{Timeout: 5 * time.Second}).DialContext,
				TLSHandshakeTimeout:   10 * time.Second,
				ResponseHeaderTimeout: longPoll + 10*time.Second,
				IdleConnTimeout:       time.Minute,
			},
		},
	}
}

// hello introduces the node; the answer is its job, nil if there is none.
func (h *head) hello(ctx context.Context, hello api.Hello) (*api.Job, error) {
	body, err := json.Marshal(hello)
	if err != nil {
		return nil, err
	}
	return h.job(h.call(ctx, http.MethodPost, h.node+"/hello", body))
}

// wait asks for a job and lets the head think for a while.
func (h *head) wait(ctx context.Context) (*api.Job, error) {
	return h.job(h.call(ctx, http.MethodGet, fmt.Sprintf("%s/job?wait=%ds", h.node, int(longPoll.Seconds())), nil))
}

// events passes on what happened, as JSON lines.
func (h *head) events(ctx context.Context, events []api.Event) error {
	var body bytes.Buffer
	enc := json.NewEncoder(&body)
	for _, e := range events {
		if err := enc.Encode(e); err != nil {
			return err
		}
	}
	_, err := h.call(ctx, http.MethodPost, h.node+"/events", body.Bytes())
	return err
}

// result reports the end of a job; failure is empty if it succeeded.
func (h *head) result(ctx context.Context, job api.Job, failure string) error {
	body, err := json.Marshal(struct {
		Job   string `json:"job"`
		OK    bool   `json:"ok"`
		Error string `json:"error,omitempty"`
	}{job.ID, failure == "", failure})
	if err != nil {
		return err
	}
	_, err = h.call(ctx, http.MethodPost, h.node+"/result", body)
	return err
}

// inventory passes on what this node is made of.
func (h *head) inventory(ctx context.Context, document []byte) error {
	_, err := h.call(ctx, http.MethodPost, h.node+"/inventory", document)
	return err
}

// join asks where an image is sent by multicast.
func (h *head) join(ctx context.Context, ask api.Join) (room api.Room, err error) {
	body, err := json.Marshal(ask)
	if err != nil {
		return room, err
	}
	reply, err := h.call(ctx, http.MethodPost, h.base+"/v1/multicast", body)
	if err == nil {
		err = json.Unmarshal(reply, &room)
	}
	return room, err
}

func (h *head) job(body []byte, err error) (*api.Job, error) {
	if err != nil || len(body) == 0 {
		return nil, err
	}
	var job api.Job
	if err := json.Unmarshal(body, &job); err != nil {
		return nil, fmt.Errorf("read job from %s: %w", h.node, err)
	}
	return &job, nil
}

// call does one request. Nothing comes back with 204.
func (h *head) call(ctx context.Context, method, url string, body []byte) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	resp, err := h.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	const limit = 1 << 20
	reply, err := io.ReadAll(io.LimitReader(resp.Body, limit+1))
	switch {
	case resp.StatusCode/100 != 2:
		return nil, &refusal{method, url, resp.StatusCode, firstLine(reply)}
	case err != nil:
		return nil, fmt.Errorf("read answer of %s: %w", url, err)
	case len(reply) > limit:
		return nil, fmt.Errorf("answer of %s is longer than 1 MiB: is that the head?", url)
	}
	return reply, nil
}

// refusal is an answer of the head other than success.
type refusal struct {
	method, url string
	status      int
	reason      string
}

func (r *refusal) Error() string {
	return fmt.Sprintf("%s %s: the head answers %d %s: %s", r.method, r.url, r.status, http.StatusText(r.status), r.reason)
}

// permanent errors will be the same the next time: the head understood and
// said no. (404 is not one of them: it may still be starting up.)
func permanent(err error) bool {
	var r *refusal
	if !errors.As(err, &r) {
		return false
	}
	switch r.status {
	case http.StatusBadRequest, http.StatusConflict, http.StatusGone, http.StatusUnprocessableEntity:
		return true
	}
	return false
}

func firstLine(b []byte) string {
	line, _, _ := strings.Cut(strings.TrimSpace(string(b)), "\n")
	return line
}
