package jobs

import (
	"strconv"
	"strings"
)

// fieldRecipients is the form of the recipients that gives each its variables.
const fieldRecipients = "recipients"

// Var is one variable of one recipient: what a placeholder of that name becomes.
type Var struct {
	// Name has the form [A-Za-z_][A-Za-z0-9_]*, at most MaxVarNameBytes.
	Name string
	// raw is the value as canonical JSON: a string, a number, true or false.
	raw string
}

// Text is the value as a person reads it: a string itself, a number as it was written, true or false.
func (v Var) Text() string {
	if v.raw == "" {
		return ""
	}
	if v.raw[0] == '"' {
		return value{kindString, v.raw}.text()
	}
	return v.raw
}

// escaped is the value as it stands inside a JSON string.
func (v Var) escaped() string {
	if v.raw != "" && v.raw[0] == '"' {
		return v.raw[1 : len(v.raw)-1]
	}
	return v.raw
}

// Equal says whether both are the same.
func (v Var) Equal(other Var) bool { return v == other }

// written is how many bytes the variable takes in a job.
func (v Var) written() int { return len(v.Name) + len(v.raw) + 4 }

// ValidVarName says whether a variable may have that name: [A-Za-z_][A-Za-z0-9_]*, at most MaxVarNameBytes.
func ValidVarName(name string) bool {
	return hasForm(name, MaxVarNameBytes, isVarStart, func(c byte) bool { return isVarStart(c) || isDigit(c) })
}

func isVarStart(c byte) bool { return c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' }

const varNameForm = "must be 1 to 64 letters, digits and _, the first no digit"

// setRecipients reads [{"id":…, "vars":{…}}, …]. All variables share one backing array, and their texts are parts of the body.
func setRecipients(d *decoder, name string, v value) {
	if v.kind != kindArray {
		d.wrongType(name, `a list of {"id":…, "vars":{…}}`, v)
		return
	}
	ids := make([]Token, 0, len(v.raw)/90+1)
	ends := make([]int, 0, cap(ids))
	var all []Var
	v.elements(func(i int, element value) {
		path := name + "[" + strconv.Itoa(i) + "]"
		if element.kind != kindObject {
			d.wrongType(path, `an object {"id":…, "vars":{…}}`, element)
			return
		}
		given := false
		element.members(func(key string, member value) {
			switch key {
			case "id":
				if given = true; member.kind != kindString {
					d.wrongType(path+".id", "a string", member)
					return
				}
				ids = append(ids, Token{member.text()})
			case "vars":
				all = d.vars(path+".vars", member, all)
			default:
				d.add(path+"."+shownName(key), `unknown key; a recipient has "id" and "vars"`)
			}
		})
		if !given {
			d.add(path+".id", "is required")
		}
		ends = append(ends, len(all))
	})
	d.job.IDs = ids
	d.job.Vars = make([][]Var, len(ends))
	from := 0
	for i, to := range ends {
		if from < to {
			d.job.Vars[i] = all[from:to:to]
		}
		from = to
	}
}

// vars appends the variables of one recipient. null says the same as leaving it out.
func (d *decoder) vars(path string, v value, all []Var) []Var {
	switch v.kind {
	case kindNull:
		return all
	case kindObject:
	default:
		d.wrongType(path, "an object", v)
		return all
	}
	before := len(all)
	v.members(func(name string, member value) {
		at := path + "." + shownName(name)
		switch member.kind {
		case kindNull:
		case kindArray, kindObject:
			d.wrongType(at, "a string, a number, true or false", member)
		case kindString, kindNumber, kindBool:
			if !ValidVarName(name) {
				d.add(at, "the name of a variable "+varNameForm)
				return
			}
			raw := member.raw
			if strings.Contains(raw, `\`) {
				raw = string(member.canonical())
			}
			all = append(all, Var{name, raw})
		}
	})
	if n := len(all) - before; n > MaxVars {
		d.add(path, "has %d variables, at most %d are taken", n, MaxVars)
	}
	return all
}

// appendRecipients writes the ids with their variables.
func (j *Job) appendRecipients(b []byte) []byte {
	b = append(appendName(b, fieldRecipients), '[')
	for i, id := range j.IDs {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendString(append(b, `{"id":`...), id.text)
		if len(j.Vars[i]) > 0 {
			b = append(b, `,"vars":{`...)
			for _, v := range j.Vars[i] {
				b = append(appendName(b, v.Name), v.raw...)
			}
			b = append(b, '}')
		}
		b = append(b, '}')
	}
	return append(b, ']')
}
