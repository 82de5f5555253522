// Package client gives orders to a head, for commands that people type.
package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/orbit-pxe/orbit/pkg/api"
	"github.com/orbit-pxe/orbit/pkg/hardware/query"
	"github.com/orbit-pxe/orbit/pkg/head/node"
)

// Client talks to one head.
type Client struct {
	URL  string // base, http://10.0.0.1:8080
	HTTP *http.Client
}

// Nodes lists all nodes that the head knows.
func (c Client) Nodes(ctx context.Context) (list []api.Node, err error) {
	err = c.do(ctx, http.MethodGet, "/v1/nodes", nil, &list)
	return list, err
}

// Sessions lists what the head sends by multicast.
func (c Client) Sessions(ctx context.Context) (list []api.Session, err error) {
	err = c.do(ctx, http.MethodGet, "/v1/multicast", nil, &list)
	return list, err
}

// Assign gives a node a job.
func (c Client) Assign(ctx context.Context, id string, job api.Job) (n api.Node, err error) {
	err = c.do(ctx, http.MethodPut, "/v1/nodes/"+id+"/job", job, &n)
	return n, err
}

// Clear takes a node's job away.
func (c Client) Clear(ctx context.Context, id string) error {
	return c.do(ctx, http.MethodDelete, "/v1/nodes/"+id+"/job", nil, nil)
}

// Find turns what a person calls a node into IDs: "all", a MAC address (of a
// node that need not have reported yet), a serial number, the name that the head
// has for it, or the end of a MAC address if only one node has it.
func (c Client) Find(ctx context.Context, name string) ([]string, error) {
	if id, err := node.ParseID(name); err == nil {
		return []string{id}, nil
	}
	list, err := c.Nodes(ctx)
	if err != nil {
		return nil, err
	}
	var ids, ends []string
	if name != "all" { // an older head has no names
		ids, _ = c.Select(ctx, "node.name=="+query.Quote(name))
	}
	for _, n := range list {
		if name == "all" || n.Hello != nil && n.Hello.Serial == name && !slices.Contains(ids, n.ID) {
			ids = append(ids, n.ID)
		} else if strings.HasSuffix(n.ID, strings.ToLower(name)) {
			ends = append(ends, n.ID)
		}
	}
	if len(ids) == 0 { // what is wholly so called is meant, whatever else ends like that
		ids = ends
	}
	switch {
	case name == "":
		return nil, errors.New("no node has an empty name")
	case len(ids) == 0 && name == "all":
		return nil, fmt.Errorf("the head knows no node yet: name one by its MAC address")
	case len(ids) == 0:
		return nil, fmt.Errorf("node %q: none has this MAC address, serial number or name (orbitd nodes lists them)", name)
	case len(ids) > 1 && name != "all":
		return nil, fmt.Errorf("node %q could be %s: give more of it", name, strings.Join(ids, " or "))
	}
	return ids, nil
}

// do sends a request with an optional JSON body and reads an optional JSON reply.
func (c Client) do(ctx context.Context, method, path string, body, into any) error {
	data, _, err := c.ask(ctx, method, path, body)
	if err != nil || into == nil {
		return err
	}
	if err := json.Unmarshal(data, into); err != nil {
		return fmt.Errorf("read answer of head: %w", err)
	}
	return nil
}

// ask is do for replies of any kind.
func (c Client) ask(ctx context.Context, method, path string, body any) ([]byte, http.Header, error) {
	var send io.Reader
	if body != nil {
		data, err := json.Marshal(body)
		if err != nil {
			return nil, nil, err
		}
		send = bytes.NewReader(data)
	}
	req, err := http.NewRequestWithContext(ctx, method, strings.TrimRight(c.URL, "/")+path, send)
	if err != nil {
		return nil, nil, fmt.Errorf("head %s: %w", c.URL, err)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := c.HTTP.Do(req)
	if err != nil {
		return nil, nil, fmt.Errorf("ask head: %w (is orbitd serve running there? see --head)", err)
	}
	defer resp.Body.Close()
	const most = 256 << 20 // bytes
	data, err := io.ReadAll(io.LimitReader(resp.Body, most+1))
	if err == nil && len(data) > most {
		err = fmt.Errorf("it is longer than %d bytes", most)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("read answer of head: %w", err)
	}
	if resp.StatusCode >= 300 {
		return nil, nil, fmt.Errorf("head refuses: %s", strings.TrimSpace(string(data)))
	}
	return data, resp.Header, nil
}
