// Package web is the head's HTTP side: boot scripts and artifacts for nodes,
// images to read and to store, and the jobs of nodes. The paths are listed in
// Handler.
package web

import (
	"encoding/json"
	"errors"
	"log/slog"
	"mime"
	"net/http"
	"os"
	"time"

	"github.com/orbit-pxe/orbit/pkg/frisbee/wire"
	"github.com/orbit-pxe/orbit/pkg/hardware/query"
	"github.com/orbit-pxe/orbit/pkg/head/boot"
	inventories "github.com/orbit-pxe/orbit/pkg/head/hardware"
	"github.com/orbit-pxe/orbit/pkg/head/images"
	"github.com/orbit-pxe/orbit/pkg/head/node"
	"github.com/orbit-pxe/orbit/pkg/head/sessions"
)

// Site is everything the handlers serve from.
type Site struct {
	Nodes     *node.Registry
	Images    *images.Store
	Sessions  *sessions.Table    // nil: images go by HTTP only
	Inventory *inventories.Store // nil: none are kept
	Names     *inventories.Names // nil: inventories go out as they came
	Files     boot.Files
	Artifacts string            // directory
	Consoles  []string          // of Orbit's kernel, in order
	Append    string            // further words for Orbit's kernel
	Wait      bool              // nodes without a job boot Orbit and wait instead of going to their disk
	Domain    string            // of the nodes' names
	HostNames map[string]string // of nodes, by ID
	Log       *slog.Logger

	beat time.Duration // between signs of life while an upload is checked; 0 is a good one
}

// Handler routes all requests.
func (s *Site) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", s.root)

	mux.HandleFunc("GET /boot/ipxe", s.script)
	mux.HandleFunc("GET /boot/{name}", s.loader)
	mux.HandleFunc("GET /artifacts/{name}", s.artifact)

	mux.HandleFunc("GET /images/{$}", s.listImages)
	mux.HandleFunc("GET /images/{name}", s.readImage)
	mux.HandleFunc("PUT /images/{name}", s.writeImage)
	mux.HandleFunc("OPTIONS /images/{name}", s.uploadOptions)
	mux.HandleFunc("HEAD /uploads/{id}", s.uploadState)
	mux.HandleFunc("PATCH /uploads/{id}", s.appendUpload)
	mux.HandleFunc("DELETE /uploads/{id}", s.cancelUpload)

	mux.HandleFunc("GET /v1/nodes", s.listNodes)
	mux.HandleFunc("GET /v1/nodes/{node}", s.withNode(s.getNode))
	mux.HandleFunc("PUT /v1/nodes/{node}/job", s.withNode(s.assign))
	mux.HandleFunc("DELETE /v1/nodes/{node}/job", s.withNode(s.clear))

	mux.HandleFunc("POST /v1/nodes/{node}/hello", s.withNode(s.hello))
	mux.HandleFunc("GET /v1/nodes/{node}/job", s.withNode(s.nextJob))
	mux.HandleFunc("POST /v1/nodes/{node}/events", s.withNode(s.events))
	mux.HandleFunc("POST /v1/nodes/{node}/result", s.withNode(s.result))

	mux.HandleFunc("POST /v1/nodes/{node}/inventory", s.withInventory(s.takeInventory))
	mux.HandleFunc("GET /v1/nodes/{node}/inventory", s.withInventory(s.getInventory))
	mux.HandleFunc("GET /v1/nodes/{node}/inventory/history", s.withInventory(s.history))
	mux.HandleFunc("GET /v1/nodes/{node}/inventory/diff", s.withInventory(s.inventoryDiff))
	mux.HandleFunc("POST /v1/nodes/{node}/inventory/accept", s.withInventory(s.accept))
	mux.HandleFunc("GET /v1/inventory", s.listInventories)
	mux.HandleFunc("GET /schema/inventory.json", inventorySchema)
	s.omf(mux)
	s.burnin(mux)
	s.browse(mux)

	mux.HandleFunc("GET /v1/multicast", s.listSessions)
	mux.HandleFunc("POST /v1/multicast", s.join)
	return http.NewCrossOriginProtection().Handler(mux) // other sites' pages give no orders, and make no reports
}

func (s *Site) root(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Write([]byte("orbitd, the head of an Orbit network\n"))
}

// base is the head's URL as the sender of this request reaches it.
func base(r *http.Request) string { return "http://" + r.Host }

// reply writes a value as JSON.
func reply(w http.ResponseWriter, value any) {
	data, err := json.MarshalIndent(value, "", " ")
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Write(append(data, '\n'))
}

// refuse turns an error into a status and its text.
func refuse(w http.ResponseWriter, err error) {
	var (
		name    *images.NameError
		digest  *images.DigestError
		space   *images.SpaceError
		reject  *images.RejectError
		length  *images.LengthError
		limit   *images.LimitError
		tooLong *http.MaxBytesError
		full    *sessions.FullError
		network *sessions.NetworkError
		size    *wire.SizeError
		bad     *inventories.DocumentError
		syntax  *query.SyntaxError
	)
	status := http.StatusInternalServerError
	switch {
	case errors.As(err, &tooLong), errors.As(err, &limit):
		status = http.StatusRequestEntityTooLarge
	case errors.Is(err, os.ErrNotExist), errors.Is(err, node.ErrUnknown), errors.Is(err, images.ErrUnknown),
		errors.Is(err, inventories.ErrNone), errors.Is(err, inventories.ErrNoVersion), errors.Is(err, errNoInventory):
		status = http.StatusNotFound
	case errors.Is(err, images.ErrBusy), errors.Is(err, node.ErrStale), errors.Is(err, errOther), errors.Is(err, inventories.ErrOtherBoot),
		errors.Is(err, inventories.ErrNewer):
		status = http.StatusConflict
	case errors.As(err, &name), errors.As(err, &digest), errors.As(err, &length),
		errors.Is(err, images.ErrComplete), errors.Is(err, errRequest), errors.As(err, &bad), errors.As(err, &syntax):
		status = http.StatusBadRequest
	case errors.As(err, &space), errors.Is(err, inventories.ErrFull), errors.Is(err, node.ErrFull):
		status = http.StatusInsufficientStorage
	case errors.As(err, &reject), errors.As(err, &size):
		status = http.StatusUnprocessableEntity
	case errors.As(err, &full), errors.As(err, &network), errors.Is(err, sessions.ErrEnded), errors.Is(err, errNoSessions):
		status = http.StatusServiceUnavailable
	}
	http.Error(w, err.Error(), status)
}

// errRequest marks errors that are the sender's.
var errRequest = errors.New("bad request")

// isJSON refuses other kinds of body where one is declared, so that a web
// page's form cannot give orders to nodes.
func isJSON(r *http.Request) bool {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	return r.Header.Get("Content-Type") == "" || err == nil && (kind == "application/json" || kind == "application/x-ndjson")
}
