package client

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/orbit-pxe/orbit/pkg/api"
)

// TestFind asks a head for nodes by what people call them. One that is called
// c1 is another than the one whose address ends so.
func TestFind(t *testing.T) {
	const a, b, c = "52:54:00:00:00:c1", "52:54:00:00:00:b2", "52:54:00:00:00:03"
	nodes := []api.Node{{ID: a, Hello: &api.Hello{Serial: "one"}}, {ID: b, Hello: &api.Hello{Serial: "03"}}, {ID: c}}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/v1/nodes":
			json.NewEncoder(w).Encode(nodes)
		case r.FormValue("select") == `node.name=="c1"`:
			json.NewEncoder(w).Encode([]map[string][]string{{"node.id": {c}}})
		default:
			json.NewEncoder(w).Encode([]map[string][]string{})
		}
	}))
	defer server.Close()
	head := Client{URL: server.URL, HTTP: server.Client()}
	for name, want := range map[string][]string{"c1": {c}, "C1": {a}, ":b2": {b}, "one": {a}, "03": {b}, "all": {a, b, c}, a: {a}} {
		if ids, err := head.Find(t.Context(), name); err != nil || !slices.Equal(ids, want) {
			t.Errorf("%q: %q, %v, want %q", name, ids, err, want)
		}
	}
	for name, want := range map[string]string{"": "empty", "x": "none has", ":00:": "none has"} {
		if ids, err := head.Find(t.Context(), name); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %q, %v", name, ids, err)
		}
	}
	nodes = nodes[:1]
	if ids, err := head.Find(t.Context(), ""); err == nil {
		t.Errorf("no name at all: %q", ids)
	}
}
