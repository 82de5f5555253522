package web

import (
	"encoding/csv"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"strings"
	"time"

	"github.com/orbit-pxe/orbit/pkg/hardware/query"
	"github.com/orbit-pxe/orbit/pkg/hardware/schema"
	inventories "github.com/orbit-pxe/orbit/pkg/head/hardware"
)

// defaultColumns are those of a table nobody said anything about.
const defaultColumns = "node.id,node.name,node.address,system.vendor,system.product,system.serial,firmware.version," +
	"count(cpus),cpus.model,memory.total,count(memory.modules),count(disks),disks.model,disks.size,count(nics),nics.mac," +
	"nics.neighbour.switch,nics.neighbour.port,gpus.device_name,sdrs.kind,node.job.state,node.held"

// machine is one node in the list of inventories.
type machine struct {
	Node     string                `json:"node"`
	Name     string                `json:"name,omitempty"`
	Address  string                `json:"address,omitempty"`
	Version  int                   `json:"version,omitempty"` // 0: no inventory came yet
	First    time.Time             `json:"first,omitzero"`
	Seen     time.Time             `json:"seen,omitzero"`
	Held     string                `json:"held,omitempty"`
	Warnings []inventories.Warning `json:"warnings,omitempty"`
	Document map[string]any        `json:"document,omitempty"`
}

// listInventories answers with the inventories of all nodes that a query holds
// for, or with columns of them.
func (s *Site) listInventories(w http.ResponseWriter, r *http.Request) {
	if s.Inventory == nil {
		refuse(w, errNoInventory)
		return
	}
	found, err := s.selected(r.FormValue("select"))
	columns, format := r.FormValue("columns"), r.FormValue("format")
	if err == nil && format != "" && format != "json" && format != "csv" {
		err = fmt.Errorf("%w: format %q (want json or csv)", errRequest, format)
	}
	if columns == "" && format == "csv" {
		columns = defaultColumns
	}
	var parsed []query.Column
	if err == nil && columns != "" {
		parsed, err = parseColumns(columns)
	}
	switch {
	case err != nil:
		refuse(w, err)
	case format == "csv":
		writeCSV(w, parsed, found)
	case parsed != nil:
		reply(w, values(parsed, found))
	default:
		reply(w, s.machines(found))
	}
}

// inventorySchema is what the documents are like.
func inventorySchema(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/schema+json")
	io.WriteString(w, schema.JSON())
}

func parseColumns(text string) ([]query.Column, error) {
	columns, err := query.ParseColumns(text)
	if err != nil {
		return nil, err
	}
	fields := query.FieldsOf(reflect.TypeFor[subject]())
	for _, c := range columns {
		if err := c.Check(fields); err != nil {
			return nil, err
		}
	}
	return columns, nil
}

func (s *Site) machines(found []selection) []machine {
	list := []machine{}
	for _, f := range found {
		m := machine{Node: f.node.ID, Name: s.HostNames[f.node.ID], Held: s.held(f.node)}
		if f.node.Hello != nil {
			m.Address = f.node.Hello.Address
		}
		if v, d, err := s.Inventory.Typed(f.node.ID); err == nil {
			m.Version, m.First, m.Seen = v.Number, v.First, v.Seen
			delete(f.subject, "node")
			m.Document = f.subject
			m.Warnings = inventories.Warnings(d)
		}
		list = append(list, m)
	}
	return list
}

// values are columns by their names.
func values(columns []query.Column, found []selection) []map[string][]any {
	list := []map[string][]any{}
	for _, f := range found {
		row := map[string][]any{}
		for _, c := range columns {
			row[c.Name()] = append([]any{}, c.Values(f.subject)...)
		}
		list = append(list, row)
	}
	return list
}

// writeCSV writes a table as RFC 4180 has it.
func writeCSV(w http.ResponseWriter, columns []query.Column, found []selection) {
	w.Header().Set("Content-Type", "text/csv; charset=utf-8; header=present")
	w.Header().Set("Content-Disposition", `attachment; filename="inventory.csv"`)
	out := csv.NewWriter(w)
	out.UseCRLF = true
	row := make([]string, len(columns))
	for i, c := range columns {
		row[i] = c.Name()
	}
	out.Write(row)
	for _, f := range found {
		for i, c := range columns {
			row[i] = cell(c.Text(f.subject))
		}
		out.Write(row)
	}
	out.Flush() // who has gone misses nothing
}

// cell keeps spreadsheets from taking what a node says for a formula. To some a
// semicolon begins the next cell.
func cell(text string) string {
	parts := strings.Split(text, ";")
	for i, part := range parts {
		rest := part
		if i == 0 {
			rest = text
		}
		if part != "" && strings.ContainsRune("=+-@\t\r\n", rune(part[0])) && strings.Trim(rest, "-.0123456789") != "" {
			parts[i] = "'" + part
		}
	}
	return strings.Join(parts, ";")
}
