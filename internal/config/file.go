package config

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"reflect"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// reader lays one YAML file over a tree. It walks the syntax tree itself instead of decoding into the structs: so all
// faults are found at once with their places, an empty section keeps its defaults, and scalars are taken as they are
// written (a key id like 12345E6789 is not a number).
type reader struct {
	name    string
	source  snippet
	anchors map[string]ast.Node
	faults  []located
}

// located is a fault with its place, "FILE:LINE:COLUMN: problem", and the lines around that.
type located struct{ text, lines string }

// maxAliases bounds how many aliases and merges may lead from one to the next.
const maxAliases = 16

// maxSnippets is how many faults are shown with the lines around them; the others have their place only.
const maxSnippets = 3

// byteOrderMark is how some editors begin a file of UTF-8.
const byteOrderMark = "\ufeff"

// readFile lays the YAML text over the tree. name is the file's, for errors and relative paths.
func readFile(tree *Config, name string, text []byte) error {
	text = bytes.TrimPrefix(text, []byte(byteOrderMark))
	r := reader{name: name, source: newSnippet(string(text)), anchors: make(map[string]ast.Node)}
	parsed, err := parser.ParseBytes(text, 0)
	if err != nil {
		r.syntax(err)
		return r.err()
	}
	documents := 0
	for _, document := range parsed.Docs {
		if document.Body == nil || document.Body.Type() == ast.DirectiveType {
			continue
		}
		if documents++; documents > 1 {
			r.fault(document.Body, `a second document begins here; remove the line "---"`)
			break
		}
		r.fill(document.Body, reflect.ValueOf(tree).Elem(), child{})
	}
	return r.err()
}

func (r *reader) err() error {
	if len(r.faults) == 0 {
		return nil
	}
	lines := make([]string, len(r.faults))
	for i, fault := range r.faults {
		if lines[i] = fault.text; i < maxSnippets {
			lines[i] += "\n" + fault.lines
		}
	}
	return errors.New(strings.Join(lines, "\n"))
}

// fault notes what is wrong at a node, with the lines around it.
func (r *reader) fault(node ast.Node, format string, args ...any) {
	line, column := 1, 1
	if token := node.GetToken(); token != nil && token.Position != nil {
		line, column = token.Position.Line, token.Position.Column
	}
	r.faultAt(line, column, fmt.Sprintf(format, args...))
}

func (r *reader) faultAt(line, column int, problem string) {
	r.faults = append(r.faults, located{fmt.Sprintf("%s:%d:%d: %s", r.name, line, column, problem), r.source.around(line, column)})
}

// syntax notes an error of the parser.
func (r *reader) syntax(err error) {
	line, column, problem := 1, 1, "it is not YAML"
	if located, ok := errors.AsType[yaml.Error](err); ok {
		problem += ": " + located.GetMessage()
		if token := located.GetToken(); token != nil && token.Position != nil {
			line, column = token.Position.Line, token.Position.Column
		}
	}
	r.faultAt(line, column, problem)
}

// fill lays a node over the part of the tree that at.value is, or over v if it is the root.
func (r *reader) fill(node ast.Node, v reflect.Value, at child) {
	node, ok := r.resolve(node)
	if !ok {
		return
	}
	switch {
	case v.Kind() == reflect.Pointer:
		if v.IsNil() {
			v.Set(newSection(v.Type()))
		}
		r.fill(node, v.Elem(), at)
	case node.Type() == ast.NullType:
		// A section or setting with nothing behind its key keeps its defaults.
	case isSection(v):
		r.section(node, v)
	case v.Kind() == reflect.Map:
		r.entries(node, v)
	default:
		r.scalar(node, v, at)
	}
}

// resolve follows anchors, aliases and tags to the node that holds the value.
func (r *reader) resolve(node ast.Node) (ast.Node, bool) {
	for range maxAliases {
		switch n := node.(type) {
		case *ast.AnchorNode:
			r.anchors[n.Name.GetToken().Value] = n.Value
			node = n.Value
		case *ast.AliasNode:
			value, known := r.anchors[n.Value.GetToken().Value]
			if !known {
				r.fault(n, "there is no anchor %q before this line", n.Value.GetToken().Value)
				return nil, false
			}
			node = value
		case *ast.TagNode:
			node = n.Value
		case nil:
			return nil, false
		default:
			return node, true
		}
	}
	r.fault(node, "aliases that lead to each other")
	return nil, false
}

// pairs lists the keys and values of a mapping, which may be merged into others. Merged keys come first, so that the
// mapping's own keys win.
func (r *reader) pairs(node ast.Node, merged int) (pairs []*ast.MappingValueNode, ok bool) {
	if merged > maxAliases {
		r.fault(node, "a mapping that is merged into itself")
		return nil, false
	}
	mapping, ok := node.(ast.MapNode)
	if !ok {
		r.fault(node, "keys with values are expected here, each on its own line: \"key: value\"")
		return nil, false
	}
	var own []*ast.MappingValueNode
	for each := mapping.MapRange(); each.Next(); {
		pair := each.KeyValue()
		if !pair.Key.IsMergeKey() {
			own = append(own, pair)
			continue
		}
		if other, ok := r.resolve(pair.Value); ok {
			more, _ := r.pairs(other, merged+1)
			pairs = append(pairs, more...)
		}
	}
	return append(pairs, own...), true
}

func keyOf(pair *ast.MappingValueNode) string {
	if text, ok := pair.Key.(*ast.StringNode); ok {
		return text.Value
	}
	return pair.Key.GetToken().Value
}

func (r *reader) section(node ast.Node, v reflect.Value) {
	pairs, ok := r.pairs(node, 0)
	if !ok {
		return
	}
	known := children(v)
next:
	for _, pair := range pairs {
		key := keyOf(pair)
		for _, c := range known {
			if c.key == key {
				r.fill(pair.Value, c.value, c)
				continue next
			}
		}
		r.fault(pair.Key, "unknown key %q%s", key, suggest(key, known))
	}
}

// entries fills a map: the apps, or the levels of components.
func (r *reader) entries(node ast.Node, v reflect.Value) {
	pairs, ok := r.pairs(node, 0)
	if !ok {
		return
	}
	for _, pair := range pairs {
		key := reflect.ValueOf(keyOf(pair))
		value := reflect.New(v.Type().Elem()).Elem()
		if before := v.MapIndex(key); before.IsValid() {
			value.Set(before)
		}
		r.fill(pair.Value, value, child{})
		v.SetMapIndex(key, value)
	}
}

func (r *reader) scalar(node ast.Node, v reflect.Value, at child) {
	text, ok := textOf(node)
	if !ok {
		r.fault(node, "a single value is expected here")
		return
	}
	if at.path && text != "" && !filepath.IsAbs(text) {
		text = filepath.Join(filepath.Dir(r.name), text)
	}
	if err := set(v, text); err != nil {
		r.fault(node, "%v", err)
	}
}

// textOf is a scalar as it is written, without quotes.
func textOf(node ast.Node) (string, bool) {
	switch n := node.(type) {
	case *ast.StringNode:
		return n.Value, true
	case *ast.LiteralNode:
		return n.Value.Value, true
	case *ast.BoolNode, *ast.IntegerNode, *ast.FloatNode, *ast.InfinityNode, *ast.NanNode:
		return node.GetToken().Value, true
	}
	return "", false
}
