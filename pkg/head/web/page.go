package web

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"time"

	"github.com/orbit-pxe/orbit/pkg/api"
	inventories "github.com/orbit-pxe/orbit/pkg/head/hardware"
	"github.com/orbit-pxe/orbit/pkg/head/hardware/view"
)

//go:embed pages
var assets embed.FS

// pages writes what people look at: no scripts, nothing from elsewhere.
type pages struct {
	*Site
	templates *template.Template
}

// browse routes the pages about inventories.
func (s *Site) browse(mux *http.ServeMux) {
	p := pages{s, template.Must(template.ParseFS(assets, "pages/pages.html"))}
	mux.HandleFunc("GET /inventory", p.list)
	mux.HandleFunc("GET /inventory/{$}", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/inventory", http.StatusMovedPermanently)
	})
	mux.HandleFunc("GET /inventory/style.css", func(w http.ResponseWriter, r *http.Request) {
		http.ServeFileFS(w, r, assets, "pages/style.css")
	})
	mux.HandleFunc("GET /inventory/{node}", p.node)
	mux.HandleFunc("POST /inventory/{node}/accept", p.accept)
}

// write sends a page once it is whole.
func (p pages) write(w http.ResponseWriter, name string, status int, data any) {
	var b bytes.Buffer
	if err := p.templates.ExecuteTemplate(&b, name, data); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; img-src data:; form-action 'self'; frame-ancestors 'none'; base-uri 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	w.Write(b.Bytes())
}

// listPage is the table of all nodes.
type listPage struct {
	Select, Error       string
	Query               template.URL // Select, as a link has it
	Nodes, Held, Warned int
	Rows                []row
}

type row struct {
	ID, Name, Address, Machine, Serial, CPUs, Memory, Held, Missing, Seen, SeenAt string
	Disks, NICs, Warnings, Changes                                                []string
}

func (p pages) list(w http.ResponseWriter, r *http.Request) {
	page := listPage{Select: r.FormValue("select")}
	page.Query = template.URL(url.Values{"select": {page.Select}}.Encode())
	found, err := p.selected(page.Select)
	if err != nil {
		page.Error = err.Error()
		p.write(w, "list", http.StatusBadRequest, page)
		return
	}
	now := time.Now()
	for _, f := range found {
		one := p.row(f, now)
		if one.Held != "" {
			page.Held++
		}
		if len(one.Warnings) > 0 {
			page.Warned++
		}
		page.Rows = append(page.Rows, one)
	}
	page.Nodes = len(found)
	p.write(w, "list", http.StatusOK, page)
}

// rowLines is how much about one thing a row of the table shows.
const rowLines = 3

func (p pages) row(f selection, now time.Time) row {
	h := hello(f.node)
	one := row{ID: f.node.ID, Name: p.HostNames[f.node.ID], Address: h.Address, Machine: h.Product, Serial: h.Serial,
		Held: p.held(f.node), Seen: view.Ago(f.node.Seen, now), SeenAt: view.Stamp(f.node.Seen)}
	if p.Inventory == nil {
		return one
	}
	v, d, err := p.Inventory.Typed(f.node.ID)
	if err != nil {
		one.Missing = "no inventory yet"
		if !errors.Is(err, inventories.ErrNone) {
			one.Missing = err.Error()
		}
		return one
	}
	if d.System != nil {
		one.Machine, one.Serial = view.Machine(d.System), d.System.Serial
	}
	one.CPUs, one.Memory = view.CPUs(d.CPUs), view.Memory(d.Memory)
	for _, disk := range d.Disks {
		one.Disks = append(one.Disks, view.Disk(disk))
	}
	for _, nic := range d.NICs {
		one.NICs = append(one.NICs, view.NIC(nic))
	}
	one.Warnings = view.Warnings(inventories.Warnings(d))
	if v.Number > 1 && v.Born == v.Boot { // new with the boot that it is in
		one.Changes = view.Changes(v, rowLines)
	}
	one.Disks, one.NICs, one.Warnings = cut(one.Disks), cut(one.NICs), cut(one.Warnings)
	return one
}

// cut leaves what fits into a row.
func cut(lines []string) []string {
	if more := len(lines) - rowLines; more > 0 {
		return append(lines[:rowLines:rowLines], fmt.Sprintf("and %d more", more))
	}
	return lines
}

// nodePage is all about one node.
type nodePage struct {
	Title, ID, Address, Job, Seen, Held, Head string
	Accept                                    bool // it is held for what can be accepted
	Version                                   int  // that is shown, and accepted
	Missing                                   string
	Warnings                                  []string
	Changed                                   string // when
	Changes                                   []string
	Facts                                     [][2]string
	Sections                                  []view.Section
	History                                   []past
}

// past is a version in the table of the history.
type past struct {
	Number      int
	Accepted    bool
	First, Seen string
	Changes     []string
}

// pageVersions is how much of a history a page shows.
const pageVersions = 20

func (p pages) node(w http.ResponseWriter, r *http.Request) {
	n, ok := p.find(r.PathValue("node"))
	if !ok {
		http.Error(w, "no such node", http.StatusNotFound)
		return
	}
	now := time.Now()
	page := nodePage{Title: p.hrn(n), ID: n.ID, Address: hello(n).Address, Job: jobOf(n), Seen: view.Ago(n.Seen, now), Held: p.held(n), Head: base(r)}
	if err := p.fill(&page, n, now); err != nil {
		page.Missing = err.Error()
	}
	p.write(w, "node", http.StatusOK, page)
}

func jobOf(n api.Node) string {
	if n.Job == nil {
		return "no job"
	}
	return fmt.Sprintf("%s job %s", n.Job.Kind, n.State)
}

func (p pages) fill(page *nodePage, n api.Node, now time.Time) error {
	if p.Inventory == nil {
		return errNoInventory
	}
	v, _, err := p.Inventory.Latest(n.ID)
	if err != nil {
		return err
	}
	d := inventories.Typed(p.subject(n))
	page.Warnings = view.Warnings(inventories.Warnings(d))
	page.Accept, page.Version = p.Inventory.Differs(n.ID) != "", v.Number
	page.changes(v, now)
	page.Facts, page.Sections = view.About(d), view.Sections(d)
	list, err := p.versions(n.ID, pageVersions)
	if err != nil {
		return err
	}
	for _, v := range list {
		page.History = append(page.History, past{v.Number, !v.Accepted.IsZero(), view.Stamp(v.First), view.Stamp(v.Seen), view.Changes(v, 2*rowLines)})
	}
	return nil
}

func (page *nodePage) changes(v inventories.Version, now time.Time) {
	switch {
	case v.Number == 1:
		page.Changed = "None since its first inventory, " + view.Ago(v.First, now) + "."
	case v.Born == v.Boot:
		page.Changed, page.Changes = "Since the boot before this one:", view.Changes(v, 50)
	default:
		page.Changed, page.Changes = "None since the last boot. The last ones were found "+view.Ago(v.First, now)+":", view.Changes(v, 50)
	}
}

// accept is the button of a held node's page.
func (p pages) accept(w http.ResponseWriter, r *http.Request) {
	n, ok := p.find(r.PathValue("node"))
	if !ok || p.Inventory == nil {
		http.Error(w, "no such node", http.StatusNotFound)
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	number, err := numbered(r)
	if err == nil {
		_, err = p.Inventory.Accept(n.ID, number, time.Now())
	}
	if err != nil {
		refuse(w, err)
		return
	}
	p.Nodes.Recheck(n.ID)
	http.Redirect(w, r, "/inventory/"+n.ID, http.StatusSeeOther)
}
