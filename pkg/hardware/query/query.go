package query

import "strings"

// Query is a question about a machine that has the answer yes or no.
type Query struct {
	src  string
	root expression
}

// Parse reads a query. Its errors are of the type *SyntaxError.
func Parse(src string) (*Query, error) {
	p, err := newParser(src)
	if err != nil {
		return nil, err
	}
	root, err := p.query()
	if err != nil {
		return nil, err
	}
	if p.token.kind != end {
		return nil, p.want("&&, || or the end")
	}
	return &Query{src, root}, nil
}

// String is the query as it was written.
func (q *Query) String() string { return q.src }

// Match tells whether the query holds for a document, as encoding/json decodes
// it: of map[string]any, []any, string, bool, and json.Number or float64.
func (q *Query) Match(document any) bool { return q.root.holds(document) }

// Check tells of words in the query that no document has. They would make it
// select nothing, which is not what one thinks of first.
func (q *Query) Check(f *Fields) error { return check(q.src, q.root, f) }

// Quote writes a text as queries have it.
func Quote(text string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(text) + `"`
}
