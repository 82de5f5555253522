package web

import (
	"errors"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/orbit-pxe/orbit/pkg/hardware/diff"
	inventories "github.com/orbit-pxe/orbit/pkg/head/hardware"
	"github.com/orbit-pxe/orbit/pkg/head/node"
)

// errNoInventory is what a head says that keeps none.
var errNoInventory = errors.New("this head keeps no inventories")

// withInventory reads out of the path which node is meant, by any of its
// interfaces. What a node sends may come before its hello.
func (s *Site) withInventory(serve func(w http.ResponseWriter, r *http.Request, id string) error) http.HandlerFunc {
	return s.withNode(func(w http.ResponseWriter, r *http.Request, name string) {
		id, err := s.Nodes.Canonical(name)
		if errors.Is(err, node.ErrUnknown) && r.Method == http.MethodPost {
			id, err = name, nil
		}
		if err == nil && s.Inventory == nil {
			err = errNoInventory
		}
		if err == nil {
			err = serve(w, r, id)
		}
		if err != nil {
			refuse(w, err)
		}
	})
}

// takeInventory stores what a node says that it is made of. Its job may have
// waited for that.
func (s *Site) takeInventory(w http.ResponseWriter, r *http.Request, id string) error {
	text, err := io.ReadAll(r.Body)
	if err != nil {
		return err
	}
	if _, err := s.Inventory.Put(id, text, time.Now()); err != nil {
		s.Log.Warn("inventory refused", "node", id, "address", remote(r), "error", err)
		return err
	}
	s.Nodes.Recheck(id)
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// versionHeader has the number of the version that a document is.
const versionHeader = "Inventory-Version"

func (s *Site) getInventory(w http.ResponseWriter, r *http.Request, id string) error {
	v, document, err := s.Inventory.At(id, r.FormValue("at"))
	if err != nil {
		return err
	}
	w.Header().Set(versionHeader, strconv.Itoa(v.Number))
	w.Header().Set("Last-Modified", v.Seen.Format(http.TimeFormat))
	reply(w, s.Names.Add(document, time.Now()))
	return nil
}

// entry is a version of the history, and its changes in words.
type entry struct {
	inventories.Version
	Text []string `json:"text"`
}

func entries(list []inventories.Version) []entry {
	all := []entry{}
	for _, v := range list {
		r := diff.Result{Changes: v.Changes, Unknown: v.Unknown}
		all = append(all, entry{v, inventories.Sentences(r, len(v.Changes)+len(v.Unknown))})
	}
	return all
}

// history lists what can be read; if that is not all, the log tells.
func (s *Site) history(w http.ResponseWriter, r *http.Request, id string) error {
	most := 0
	if text := r.FormValue("most"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			return errors.Join(errRequest, errors.New("most: want how many versions"))
		}
		most = n
	}
	list, err := s.versions(id, most)
	if err != nil {
		return err
	}
	reply(w, entries(list))
	return nil
}

func (s *Site) versions(id string, most int) ([]inventories.Version, error) {
	list, err := s.Inventory.History(id, most)
	if err != nil && len(list) > 0 {
		s.Log.Error("history of inventories is not whole", "node", id, "error", err)
		err = nil
	}
	return list, err
}

// comparison is what has changed between two versions.
type comparison struct {
	From    inventories.Version `json:"from"`
	To      inventories.Version `json:"to"`
	Changes []diff.Change       `json:"changes"`
	Unknown []diff.Unknown      `json:"unknown,omitempty"`
	Text    []string            `json:"text"`
}

func (s *Site) inventoryDiff(w http.ResponseWriter, r *http.Request, id string) error {
	old, new, result, err := s.Inventory.Diff(id, r.FormValue("from"), r.FormValue("to"))
	if err != nil {
		return err
	}
	for _, v := range []*inventories.Version{&old, &new} { // changes of each since the one before it are not meant
		v.Changes, v.Unknown, v.More = nil, nil, 0
	}
	text := append([]string{}, inventories.Sentences(result, len(result.Changes)+len(result.Unknown))...)
	reply(w, comparison{old, new, result.Changes, result.Unknown, text})
	return nil
}

// accept lifts a hold.
func (s *Site) accept(w http.ResponseWriter, r *http.Request, id string) error {
	number, err := numbered(r)
	if err != nil {
		return err
	}
	v, err := s.Inventory.Accept(id, number, time.Now())
	if err != nil {
		return err
	}
	s.Nodes.Recheck(id)
	v.Changes, v.Unknown, v.More = nil, nil, 0
	reply(w, v)
	return nil
}

// numbered reads which version is to be accepted, 0 for the last.
func numbered(r *http.Request) (int, error) {
	text := r.FormValue("version")
	if text == "" {
		return 0, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		return 0, errors.Join(errRequest, errors.New("version: want its number"))
	}
	return n, nil
}
