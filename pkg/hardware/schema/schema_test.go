package schema

import (
	"encoding/json"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/jsonschema-go/jsonschema"

	"github.com/orbit-pxe/orbit/pkg/hardware"
)

// node is what the schema says of an object or a value.
type node struct {
	ID          string           `json:"$id"`
	Draft       string           `json:"$schema"`
	Title       string           `json:"title"`
	Description string           `json:"description"`
	Type        string           `json:"type"`
	Ref         string           `json:"$ref"`
	Format      string           `json:"format"`
	Required    []string         `json:"required"`
	Properties  map[string]*node `json:"properties"`
	Items       *node            `json:"items"`
	Defs        map[string]*node `json:"$defs"`

	Const     string   `json:"const"`
	Enum      []string `json:"enum"`
	Pattern   string   `json:"pattern"`
	Minimum   *int     `json:"minimum"`
	MinLength int      `json:"minLength"`
}

func parse(t *testing.T) *node {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(JSON()))
	d.DisallowUnknownFields()
	var n node
	if err := d.Decode(&n); err != nil {
		t.Fatal(err)
	}
	return &n
}

// comparer walks the Go types and the schema side by side.
type comparer struct {
	t    *testing.T
	defs map[string]*node
	seen map[string]bool
}

// TestTypes has the schema and the Go types agree, both ways.
func TestTypes(t *testing.T) {
	root := parse(t)
	if root.Draft != "https://json-schema.org/draft/2020-12/schema" || root.Properties["schema"].Const != hardware.Schema {
		t.Errorf("draft %s, for documents of %s", root.Draft, root.Properties["schema"].Const)
	}
	c := comparer{t, root.Defs, map[string]bool{}}
	c.object("document", reflect.TypeFor[hardware.Document](), root)
	for name := range root.Defs {
		if !c.seen[name] {
			t.Errorf("$defs/%s is of no use", name)
		}
	}
}

func (c comparer) object(path string, of reflect.Type, n *node) {
	if n.Type != "object" || n.Description == "" {
		c.t.Errorf("%s: type %q, description %q", path, n.Type, n.Description)
	}
	fields := map[string]reflect.Type{}
	required := fieldsOf(of, fields)
	if diff := cmp.Diff(slices.Sorted(maps.Keys(fields)), slices.Sorted(maps.Keys(n.Properties))); diff != "" {
		c.t.Errorf("%s: fields of %v, properties of the schema (-types +schema):\n%s", path, of, diff)
	}
	if diff := cmp.Diff(required, n.Required); diff != "" {
		c.t.Errorf("%s: required, which those without omitempty are (-types +schema):\n%s", path, diff)
	}
	for name, p := range n.Properties {
		if p.Description == "" || !strings.HasSuffix(p.Description, ".") {
			c.t.Errorf("%s.%s: description %q", path, name, p.Description)
		}
		if field, ok := fields[name]; ok {
			c.value(path+"."+name, field, p)
		}
	}
}

// fieldsOf adds a struct's fields by JSON name, and tells which are always there.
func fieldsOf(of reflect.Type, into map[string]reflect.Type) (required []string) {
	for i := range of.NumField() {
		f := of.Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if f.Anonymous && name == "" {
			required = append(required, fieldsOf(f.Type, into)...)
			continue
		}
		into[name] = f.Type
		if options == "" {
			required = append(required, name)
		}
	}
	return required
}

func (c comparer) value(path string, of reflect.Type, n *node) {
	if of.Kind() == reflect.Pointer {
		of = of.Elem()
	}
	want := node{}
	switch {
	case of == reflect.TypeFor[time.Time]():
		want = node{Type: "string", Format: "date-time"}
	case of.Kind() == reflect.Struct:
		want.Ref = "#/$defs/" + of.Name()
	case of.Kind() == reflect.Slice:
		want.Type = "array"
	default:
		want.Type = map[reflect.Kind]string{reflect.String: "string", reflect.Int: "integer", reflect.Int64: "integer", reflect.Float64: "number", reflect.Bool: "boolean"}[of.Kind()]
	}
	if n.Type != want.Type || n.Ref != want.Ref || n.Format != want.Format {
		c.t.Errorf("%s is %v: the schema has type %q, $ref %q, format %q, want %q, %q, %q", path, of, n.Type, n.Ref, n.Format, want.Type, want.Ref, want.Format)
		return
	}
	if text := n.Type == "string"; !text && (n.Pattern != "" || n.Enum != nil || n.MinLength > 0) || n.Minimum != nil && n.Type != "integer" {
		c.t.Errorf("%s: what the schema asks for is not of type %s", path, n.Type)
	}
	if (n.Items != nil) != (n.Type == "array") {
		c.t.Errorf("%s: items of type %q", path, n.Type)
	} else if n.Items != nil {
		c.value(path+"[]", of.Elem(), n.Items)
	}
	name := of.Name()
	if want.Ref == "" || c.seen[name] {
		return
	}
	c.seen[name] = true
	if c.defs[name] == nil {
		c.t.Errorf("%s: there is no $defs/%s", path, name)
		return
	}
	c.object(name, of, c.defs[name])
}

func resolve(t *testing.T) *jsonschema.Resolved {
	t.Helper()
	var s jsonschema.Schema
	if err := json.Unmarshal([]byte(JSON()), &s); err != nil {
		t.Fatal(err)
	}
	r, err := s.Resolve(nil)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func full(t *testing.T) map[string]any {
	t.Helper()
	text, err := os.ReadFile("../testdata/server.json")
	if err != nil {
		t.Fatal(err)
	}
	var d map[string]any
	if err := json.Unmarshal(text, &d); err != nil {
		t.Fatal(err)
	}
	return d
}

// TestFull has the document of the tests be valid, have everything that there can
// be, and mean to Go what it says.
func TestFull(t *testing.T) {
	d := full(t)
	if err := resolve(t).Validate(d); err != nil {
		t.Error(err)
	}
	has := map[string]bool{}
	collect("", d, has)
	root := parse(t)
	var missing []string
	var want func(path string, n *node)
	want = func(path string, n *node) {
		if n.Items != nil {
			n = n.Items
		}
		if n.Ref != "" {
			n = root.Defs[strings.TrimPrefix(n.Ref, "#/$defs/")]
		}
		for name, p := range n.Properties {
			if !has[path+"."+name] {
				missing = append(missing, path+"."+name)
				continue
			}
			want(path+"."+name, p)
		}
	}
	want("", root)
	slices.Sort(missing)
	if diff := cmp.Diff([]string{".only"}, missing); diff != "" {
		t.Errorf("what testdata/server.json does not have (-want +got):\n%s", diff)
	}
	text, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	var typed hardware.Document
	var back map[string]any
	if err := json.Unmarshal(text, &typed); err != nil {
		t.Fatal(err)
	}
	again, err := json.Marshal(&typed)
	if err == nil {
		err = json.Unmarshal(again, &back)
	}
	if diff := cmp.Diff(d, back); diff != "" || err != nil {
		t.Errorf("by way of Go (-want +got): %v\n%s", err, diff)
	}
}

func collect(path string, value any, into map[string]bool) {
	into[path] = true
	switch v := value.(type) {
	case map[string]any:
		for key, child := range v {
			collect(path+"."+key, child, into)
		}
	case []any:
		for _, child := range v {
			collect(path, child, into)
		}
	}
}

// TestInvalid has the schema be of use.
func TestInvalid(t *testing.T) {
	r := resolve(t)
	for name, spoil := range map[string]func(d map[string]any){
		"another version":   func(d map[string]any) { d["schema"] = "orbit-inventory/2" },
		"no id":             func(d map[string]any) { delete(d, "id") },
		"sections":          func(d map[string]any) { d["disks"] = d["system"] },
		"a member's id":     func(d map[string]any) { delete(d["disks"].([]any)[0].(map[string]any), "id") },
		"an empty id":       func(d map[string]any) { d["pci"].([]any)[0].(map[string]any)["id"] = "" },
		"size in words":     func(d map[string]any) { d["disks"].([]any)[0].(map[string]any)["size"] = "2 TB" },
		"half a byte":       func(d map[string]any) { d["disks"].([]any)[0].(map[string]any)["size"] = 0.5 },
		"less than nothing": func(d map[string]any) { d["memory"].(map[string]any)["total"] = -1 },
		"a MAC address":     func(d map[string]any) { d["nics"].([]any)[0].(map[string]any)["mac"] = "52-54-00-00-00-01" },
		"ids":               func(d map[string]any) { d["pci"].([]any)[0].(map[string]any)["vendor"] = "0x8086" },
	} {
		d := full(t)
		spoil(d)
		if err := r.Validate(d); err == nil {
			t.Errorf("%s: is valid", name)
		}
	}
	d := full(t)
	d["later"] = map[string]any{"version": 1}
	if err := r.Validate(d); err != nil {
		t.Errorf("what later versions add: %v", err)
	}
}
