package obs

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"github.com/volleypush/volley/internal/config"
	"github.com/volleypush/volley/jobs"
)

const planted = "c0ffee00c0ffee00"

// object logs a value the way a careless component would.
type object struct{ value any }

// MarshalZerologObject implements zerolog.LogObjectMarshaler.
func (o object) MarshalZerologObject(e *zerolog.Event) { e.Any("value", o.value) }

// arguments makes arguments that carry the value for every parameter of a method, or false if none of them can.
func arguments(method reflect.Type, value fmt.Stringer) ([]reflect.Value, bool) {
	wrapped := fmt.Errorf("sending to %v failed: %w", value, fmt.Errorf("%s %+v %#v %q %x", value, value, value, value, value))
	candidates := []any{
		value,
		[]fmt.Stringer{value},
		wrapped,
		[]error{wrapped, nil, errors.Join(wrapped)},
		object{value},
		[]zerolog.LogObjectMarshaler{object{value}},
		func(e *zerolog.Event) { e.Any("value", value) },
		func() string { return fmt.Sprintf("%v %s", value, value) },
	}
	var out []reflect.Value
	carries := false
	for i := 1; i < method.NumIn(); i++ {
		want := method.In(i)
		if want.Kind() == reflect.String {
			out = append(out, reflect.ValueOf("at %v"))
			continue
		}
		found := false
		for _, candidate := range candidates {
			if v := reflect.ValueOf(candidate); v.Type().AssignableTo(want) {
				out, found, carries = append(out, v), true, true
				break
			}
		}
		if !found {
			return nil, false
		}
	}
	return out, carries
}

// Every method of a zerolog event or context that takes a value as it is shows no token and no secret. (Str and the like
// take a string, which somebody would have had to reveal.)
func TestNothingSecretIsLogged(t *testing.T) {
	covered := map[string]bool{}
	for name, value := range map[string]fmt.Stringer{
		"token": jobs.NewToken(planted), "secret": config.NewSecret(planted), "url": config.NewURL("nats://user:" + planted + "@host"),
	} {
		var out bytes.Buffer
		base := logTo(t, &out, config.Log{Level: "trace", Format: "json"}, false, false).Component("volley")
		check := func(how string) {
			t.Helper()
			covered[how] = true
			if out.Len() == 0 {
				t.Errorf("%s with a %s logs nothing", how, name)
			}
			for _, form := range []string{planted, fmt.Sprintf("%x", planted), fmt.Sprintf("%X", planted)} {
				if strings.Contains(out.String(), form) {
					t.Errorf("%s shows a %s: %s", how, name, &out)
				}
			}
			out.Reset()
		}
		for _, v := range []any{value, []any{value}, map[string]any{"key": value}, map[string]fmt.Stringer{"key": value}, struct{ V any }{value}, &value} {
			base.Info().Any("value", v).Msg("")
			check("Any")
			base.Info().Fields(map[string]any{"value": v}).Msg("")
			check("Fields")
			base.Info().Fields([]any{"value", v}).Msg("")
			check("Fields")
			base.Info().Dict("value", zerolog.Dict().Interface("value", v)).Msg("")
			check("Dict")
			base.Info().Array("value", zerolog.Arr().Interface(v).Object(object{v})).Msg("")
			check("Array")
			base.Info().Msgf("%v %+v", v, v)
			check("Msgf")
		}
		event := reflect.TypeFor[*zerolog.Event]()
		for method := range event.Methods() {
			args, carries := arguments(method.Type, value)
			if !carries || method.Type.IsVariadic() {
				continue
			}
			e := base.Info() //nolint:zerologlint // Msg follows below, on what the method returned.
			result := reflect.ValueOf(e).MethodByName(method.Name).Call(args)
			if len(result) == 1 && result[0].Type() == event {
				result[0].Interface().(*zerolog.Event).Msg("")
			}
			check("Event." + method.Name)
		}
		context := reflect.TypeFor[zerolog.Context]()
		for method := range context.Methods() {
			args, carries := arguments(method.Type, value)
			if !carries || method.Type.IsVariadic() {
				continue
			}
			result := reflect.ValueOf(base.With()).MethodByName(method.Name).Call(args)
			with := result[0].Interface().(zerolog.Context).Logger()
			with.Info().Msg("")
			check("Context." + method.Name)
		}
		base.Info().StringersV("value", value, value).Msg("")
		check("Event.StringersV")
		base.Info().ObjectsV("value", object{value}).Msg("")
		check("Event.ObjectsV")
		base.Print(value)
		check("Print")
		base.Printf("%v", value)
		check("Printf")
	}
	for _, how := range []string{
		"Event.Stringer", "Event.Stringers", "Event.Interface", "Event.Any", "Event.Object", "Event.Objects", "Event.EmbedObject", "Event.Err", "Event.AnErr",
		"Event.Errs", "Event.Func", "Event.MsgFunc", "Context.Stringer", "Context.Interface", "Context.Any", "Context.Object", "Context.Err",
	} {
		if !covered[how] {
			t.Errorf("%s was not tried", how)
		}
	}
}
