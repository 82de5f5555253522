package client

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/orbit-pxe/orbit/pkg/hardware/diff"
	inventories "github.com/orbit-pxe/orbit/pkg/head/hardware"
)

// Machine is a node, and the last inventory of it.
type Machine struct {
	Node     string                `json:"node"`
	Name     string                `json:"name,omitempty"`
	Address  string                `json:"address,omitempty"`
	Version  int                   `json:"version,omitempty"` // 0: no inventory came yet
	First    time.Time             `json:"first,omitzero"`
	Seen     time.Time             `json:"seen,omitzero"`
	Held     string                `json:"held,omitempty"` // why it is not to be used
	Warnings []inventories.Warning `json:"warnings,omitempty"`
	Document json.RawMessage       `json:"document,omitempty"` // as package hardware has it
}

// Entry is one state of a machine in the history, without its document.
type Entry struct {
	inventories.Version
	Text []string `json:"text"` // changes since the one before, in words
}

// Comparison is what is different between two states.
type Comparison struct {
	From    inventories.Version `json:"from"`
	To      inventories.Version `json:"to"`
	Changes []diff.Change       `json:"changes"`
	Unknown []diff.Unknown      `json:"unknown,omitempty"`
	Text    []string            `json:"text"`
}

// Select lists the IDs of the nodes that a query holds for (package query). Heads
// that know of no queries refuse this, and don't take it for all nodes.
func (c Client) Select(ctx context.Context, query string) ([]string, error) {
	const id = "node.id"
	var rows []map[string][]string
	ask := url.Values{"select": {query}, "columns": {id}}
	if err := c.do(ctx, http.MethodGet, "/v1/inventory?"+ask.Encode(), nil, &rows); err != nil {
		return nil, err
	}
	var ids []string
	for _, row := range rows {
		ids = append(ids, row[id]...)
	}
	return ids, nil
}

// Inventories lists the machines that a query holds for, by their nodes' IDs. An
// empty query holds for all.
func (c Client) Inventories(ctx context.Context, query string) (list []Machine, err error) {
	err = c.do(ctx, http.MethodGet, "/v1/inventory?"+url.Values{"select": {query}}.Encode(), nil, &list)
	return list, err
}

// CSV is a table of the machines that a query holds for, with a line of titles:
// RFC 4180. Without columns (package query) it has those most want.
func (c Client) CSV(ctx context.Context, query, columns string) ([]byte, error) {
	ask := url.Values{"select": {query}, "columns": {columns}, "format": {"csv"}}
	text, _, err := c.ask(ctx, http.MethodGet, "/v1/inventory?"+ask.Encode(), nil)
	return text, err
}

// Inventory is one state of a machine, and its number. at is the number, a time
// (RFC 3339), "accepted", or "" for the last.
func (c Client) Inventory(ctx context.Context, id, at string) (document json.RawMessage, version int, err error) {
	text, header, err := c.ask(ctx, http.MethodGet, inventoryOf(id, "")+"?"+url.Values{"at": {at}}.Encode(), nil)
	if err != nil {
		return nil, 0, err
	}
	version, err = strconv.Atoi(header.Get("Inventory-Version"))
	if err != nil {
		return nil, 0, fmt.Errorf("read answer of head: it does not tell the version of the inventory: %w", err)
	}
	return text, version, nil
}

// History lists the states that a machine was in, the newest first.
func (c Client) History(ctx context.Context, id string) (list []Entry, err error) {
	err = c.do(ctx, http.MethodGet, inventoryOf(id, "/history"), nil, &list)
	return list, err
}

// Compare tells what is different between two states, named as Inventory does.
// Without from it is the one before to.
func (c Client) Compare(ctx context.Context, id, from, to string) (r Comparison, err error) {
	err = c.do(ctx, http.MethodGet, inventoryOf(id, "/diff")+"?"+url.Values{"from": {from}, "to": {to}}.Encode(), nil, &r)
	return r, err
}

// Accept makes a machine's last state the one that it is to be in: it is held no
// longer.
func (c Client) Accept(ctx context.Context, id string) (v inventories.Version, err error) {
	err = c.do(ctx, http.MethodPost, inventoryOf(id, "/accept"), nil, &v)
	return v, err
}

func inventoryOf(id, what string) string {
	return "/v1/nodes/" + url.PathEscape(id) + "/inventory" + what
}
