package jobs

import (
	"errors"
	"strings"
)

// A placeholder in a string of the message or of an option of a job with recipients becomes that recipient's variable:
//
//	{{name}}          the value; a recipient without one fails
//	{{name|default}}  the value, or the text behind the bar, which ends at the first }} and may be empty
//	{{{{              is sent as {{
//
// Names of members are sent as they are, and so is }} outside a placeholder. Values are put in as texts, whatever stands around them.
const (
	openMark  = "{{"
	closeMark = "}}"
	// literalMark is sent as openMark.
	literalMark = openMark + openMark
	// innerMark stands before a name once for each string of JSON that the placeholder's string was made part of.
	innerMark = '^'
)

// Template is a JSON text with placeholders in its string values, cut into pieces once, so that a recipient costs little more than the
// copying. It is read-only and safe for concurrent use.
type Template struct {
	pieces []piece
	after  string
}

// piece is a placeholder and the JSON text before it.
type piece struct {
	before string
	placeholder
}

type placeholder struct {
	name string
	// fallback is JSON text as well; optional says that there is one.
	fallback string
	optional bool
	// inner counts how often the value is to be escaped beyond the first time.
	inner int
}

// CompileTemplate cuts a JSON text, which must be one. Whatever begins like a placeholder and is none stays as it is: Decode refuses it.
func CompileTemplate(text string) *Template {
	t := &Template{}
	var before strings.Builder
	eachString(text, func(from, to int, isKey bool) {
		before.WriteString(text[:from])
		literal := text[from:to]
		text = text[to:]
		if isKey {
			before.WriteString(literal)
			return
		}
		if strings.Contains(literal, `\u00`) { // a mark may be written so, in a raw payload
			literal = string(value{kindString, literal}.canonical())
		}
		cutPlaceholders(literal, func(text string, p *placeholder, problem error) {
			switch {
			case problem != nil:
				before.WriteString(openMark)
			case p != nil:
				t.pieces = append(t.pieces, piece{before.String(), *p})
				before.Reset()
			default:
				before.WriteString(text)
			}
		})
	})
	before.WriteString(text)
	t.after = before.String()
	return t
}

// Append appends the text with a recipient's variables. missing is the name of one that it has not and that has no default; what was
// appended is of no use then.
func (t *Template) Append(b []byte, vars []Var) (out []byte, missing string) {
	for i := range t.pieces {
		p := &t.pieces[i]
		b = append(b, p.before...)
		v := find(vars, p.name)
		switch {
		case v == nil && !p.optional:
			return b, p.name
		case v == nil:
			b = append(b, p.fallback...)
		case p.inner == 0:
			b = append(b, v.escaped()...)
		default:
			text := v.escaped()
			for range p.inner {
				literal := appendString(nil, text)
				text = string(literal[1 : len(literal)-1])
			}
			b = append(b, text...)
		}
	}
	return append(b, t.after...), ""
}

func find(vars []Var, name string) *Var {
	for i := range vars {
		if vars[i].Name == name {
			return &vars[i]
		}
	}
	return nil
}

// Sample is the text with one letter for each placeholder: what can be said of all renderings is true of it.
func (t *Template) Sample() []byte {
	var b []byte
	for i := range t.pieces {
		b = append(append(b, t.pieces[i].before...), 'x')
	}
	return append(b, t.after...)
}

// NestPlaceholders prepares a text that is about to become part of a string of JSON inside a string: values are escaped once more
// there. A name of a member in there is not personalised, as no name is: isKey keeps its marks from being read.
func NestPlaceholders(text string, isKey bool) string {
	if isKey {
		return strings.ReplaceAll(text, openMark, literalMark)
	}
	var b strings.Builder
	cutPlaceholders(text, func(text string, p *placeholder, problem error) {
		switch {
		case problem != nil:
			b.WriteString(openMark)
		case p != nil:
			b.WriteString(openMark + strings.Repeat(string(innerMark), p.inner+1) + p.name)
			if p.optional {
				b.WriteString("|" + p.fallback)
			}
			b.WriteString(closeMark)
		default:
			b.WriteString(strings.ReplaceAll(text, openMark, literalMark))
		}
	})
	return b.String()
}

// eachString calls each for the strings of a JSON text, in order, with where they are behind the last one's end, quotes included.
func eachString(text string, each func(from, to int, isKey bool)) {
	for {
		from := strings.IndexByte(text, '"')
		if from < 0 {
			return
		}
		s := scanner{text: text, pos: from}
		if s.str() != nil {
			return
		}
		to := s.pos
		s.space()
		isKey := s.peek() == ':'
		each(from, to, isKey)
		text = text[to:]
	}
}

// cutPlaceholders calls each for the parts of a string in order: a text, a placeholder, or openMark with the problem that makes it none.
func cutPlaceholders(text string, each func(text string, p *placeholder, problem error)) {
	for {
		at := strings.Index(text, openMark)
		if at < 0 {
			each(text, nil, nil)
			return
		}
		if at > 0 {
			each(text[:at], nil, nil)
		}
		text = text[at:]
		if strings.HasPrefix(text, literalMark) {
			each(openMark, nil, nil)
			text = text[len(literalMark):]
			continue
		}
		p, size, problem := readPlaceholder(text)
		if problem != nil {
			each("", nil, problem)
			text = text[len(openMark):]
			continue
		}
		each("", &p, nil)
		text = text[size:]
	}
}

var errNoName = errors.New("has a placeholder whose name is none: it " + varNameForm +
	", like {{name}} or {{name|default}}; write {{{{ where {{ is meant to be sent")

// readPlaceholder reads the placeholder that the text begins with.
func readPlaceholder(text string) (p placeholder, size int, problem error) {
	inside, _, closed := strings.Cut(text[len(openMark):], closeMark)
	if !closed {
		return p, 0, errors.New(`has a {{ without its }}; write {{{{ where {{ is meant to be sent`)
	}
	size = len(openMark) + len(inside) + len(closeMark)
	p.name, p.fallback, p.optional = strings.Cut(inside, "|")
	for strings.HasPrefix(p.name, string(innerMark)) {
		p.name = p.name[1:]
		p.inner++
	}
	if strings.Contains(p.fallback, openMark) {
		return p, 0, errors.New("has a placeholder inside the default of another; write {{{{ where {{ is meant to be sent")
	}
	if !ValidVarName(p.name) {
		return p, 0, errNoName
	}
	return p, size, nil
}

// checkPlaceholders refuses broken placeholders, and good ones where nothing is personalised.
func (d *decoder) checkPlaceholders() {
	for _, member := range d.job.fields {
		f := d.table.byName[member.name]
		payload := f.inPayload() || f.name == fieldMessage || f.name == fieldPayload
		eachValueText(member.value, func(text string) {
			if !payload && strings.Contains(text, openMark) {
				d.add(f.name, "can't be personalised: only what the payload says can, and this is not part of it")
				return
			}
			cutPlaceholders(text, func(_ string, p *placeholder, problem error) {
				if p != nil && p.inner > 0 {
					problem = errNoName
				}
				if problem != nil {
					d.add(f.name, "%s", problem)
				}
			})
		})
	}
}

// eachValueText calls each for every string in a value but names of members.
func eachValueText(v value, each func(text string)) {
	switch v.kind {
	case kindString:
		each(v.text())
	case kindArray:
		v.elements(func(_ int, element value) { eachValueText(element, each) })
	case kindObject:
		v.members(func(_ string, member value) { eachValueText(member, each) })
	case kindNull, kindBool, kindNumber:
	}
}
