package apigolden

import (
	"encoding"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/volleypush/volley/internal/config"
)

// TestSettings compares the tree of settings: each with its type and default.
func TestSettings(t *testing.T) {
	tree := config.Default()
	tree.Worker, tree.NATS.StoreDir = "", "" // the machine's
	var lines []string
	section(reflect.ValueOf(tree).Elem(), "", &lines)
	golden(t, "interface/settings.txt", strings.Join(lines, "\n")+"\n")
}

func section(v reflect.Value, path string, lines *[]string) {
	for field, value := range v.Fields() {
		key, _, _ := strings.Cut(field.Tag.Get("yaml"), ",")
		if path != "" {
			key = path + "." + key
		}
		switch value.Type() {
		case reflect.TypeFor[map[string]*config.App]():
			value, key = reflect.ValueOf(config.DefaultApp()), key+".<name>"
		case reflect.TypeFor[*config.APNS]():
			value = reflect.ValueOf(config.DefaultAPNS())
		case reflect.TypeFor[*config.GCM]():
			value = reflect.ValueOf(config.DefaultGCM())
		}
		if value.Kind() == reflect.Pointer && value.Elem().Kind() == reflect.Struct {
			section(value.Elem(), key, lines)
			continue
		}
		_, scalar := reflect.TypeAssert[encoding.TextMarshaler](value)
		if value.Kind() == reflect.Struct && !scalar && value.CanAddr() {
			if _, scalar = reflect.TypeAssert[encoding.TextUnmarshaler](value.Addr()); !scalar {
				section(value, key, lines)
				continue
			}
		}
		*lines = append(*lines, strings.TrimSpace(fmt.Sprintf("%s %s = %v", key, value.Type(), value.Interface())))
	}
}
