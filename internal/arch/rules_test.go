package arch

// module is the path of this module.
const module = "github.com/volleypush/volley"

// maxLines is the length from which a file is a defect.
const maxLines = 600

// maxMainLines is the length of a command's main.go: parse, build, run, map the error to an exit code.
const maxMainLines = 60

// row says which packages of this module a package may import in product code. "x/**" is x and everything below it. A row
// names everything below it in the chain cmd → cli → app → {config queue natsembed provider pipeline obs dash}: nobody has
// to pass things through a middle layer, but nothing reaches up.
type row struct {
	folder string
	may    []string
	why    string
}

// wired is what app puts together, and so is at hand for everything above it.
var wired = []string{
	"jobs", "results", "sender/**", "internal/config", "internal/queue", "internal/natsembed", "internal/provider", "internal/pipeline",
	"internal/obs", "internal/dash", "internal/version", "internal/natsurl",
}

// arrows has one row per package; the first that fits a folder counts.
var arrows = []row{
	{"jobs", nil, "the job contract is the standard library only, so that publishers can use it"},
	{"results", []string{"jobs"}, "the result contract needs the standard library and jobs only, so that subscribers can use it"},
	{"sender/simulator/h2sim", nil, "the simulators' HTTP/2 knows no provider, no script, and above all not the client's HTTP/2"},
	{"sender/simulator", []string{"sender/simulator/h2sim"}, "what both simulators share must not know the code that they test"},
	{"sender/apns/apnstest", []string{"sender/simulator/**"}, "a simulator that shares code with the client would share its mistakes"},
	{"sender/gcm/gcmtest", []string{"sender/simulator/**"}, "a simulator that shares code with the client would share its mistakes"},
	{"sender/internal/**", []string{"sender/internal/**"}, "a connection knows no provider"},
	{"sender/apns", []string{"sender", "sender/internal/**", "jobs", "results"}, "a sender is a library: it knows no worker, no other sender and no simulator"},
	{"sender/gcm", []string{"sender", "sender/internal/**", "jobs", "results"}, "a sender is a library: it knows no worker, no other sender and no simulator"},
	{"sender", []string{"jobs", "results"}, "the words of the senders depend on the contracts only"},
	{"internal/arch", nil, "it looks at everything and needs nothing"},
	{"internal/apigolden", nil, "it has tests only"},
	{"internal/version", nil, "everybody may need it"},
	{"internal/natsurl", nil, "whoever shows an address shows it through it"},
	{"internal/config", []string{"internal/natsurl"}, "settings are plain data"},
	{"internal/obs", []string{"internal/config", "internal/version", "results"}, "logs are built from settings, and metrics count events"},
	{"internal/pipeline", []string{"jobs", "results", "sender"}, "the core decides and does no I/O; adapters implement its ports"},
	{"internal/queue", []string{"jobs", "results", "internal/pipeline", "internal/natsurl"}, "an adapter knows the contracts and the ports"},
	{"internal/natsembed", []string{"internal/pipeline"}, "an adapter knows the contracts and the ports"},
	{"internal/provider", []string{"jobs", "results", "sender", "sender/apns", "sender/gcm", "internal/pipeline"}, "an adapter translates between jobs and senders; app gives it its settings"},
	{"internal/dash", []string{"jobs", "results", "internal/pipeline", "internal/version"}, "the web page shows what it is given"},
	{"internal/app", wired, "app wires what is below it"},
	{"internal/demo", append([]string{"internal/app"}, wired...), "the demo is a user of app"},
	{"internal/bench/peer", []string{"sender/simulator"}, "the other end of a benchmark must not know the code that is measured"},
	{"internal/bench", append([]string{"internal/app", "internal/bench/**"}, wired...), "a benchmark is a user of app and of the senders"},
	{"internal/cli", []string{"internal/version"}, "what both command lines share is exit codes"},
	{"internal/cli/input", nil, "what people hand over is read without knowing what it is for"},
	{"internal/cli/**", append([]string{"internal/cli", "internal/cli/input", "internal/app", "internal/demo", "internal/bench"}, wired...), "a command line uses app and what is below it"},
	{"cmd/**", append([]string{"internal/cli/**", "internal/app"}, wired...), "a main hands over to its command line"},
	{"integration/**", []string{"**"}, "tests of the whole"},
	{"examples/**", []string{"jobs", "results", "sender/**"}, "examples use what users can use"},
}

// thirdParty says in which folders the product may import a module; the longest prefix counts. What is not listed is free.
var thirdParty = []row{
	{"github.com/nats-io/nats.go/jetstream", []string{"internal/queue", "examples/**"}, "JetStream has one adapter; examples do what publishers do"},
	{"github.com/nats-io/nats.go", []string{"internal/queue", "internal/natsembed", "internal/cli/**", "examples/**"}, "the broker is known to its adapters, and its errors to the command lines; examples do what publishers do"},
	{"github.com/nats-io/nats-server", []string{"internal/natsembed"}, "the server has one adapter"},
	{"github.com/nats-io", []string{"internal/queue", "internal/natsembed"}, "the broker is known to its adapters"},
	{"github.com/rs/zerolog", []string{"internal/obs", "internal/queue", "internal/natsembed", "internal/provider", "internal/dash", "internal/app", "internal/demo", "internal/bench", "internal/cli/**"}, "libraries and the core never log"},
	{"github.com/prometheus", []string{"internal/obs"}, "metrics are counted in one place"},
	{"github.com/alecthomas/kong", []string{"internal/cli/**"}, "command lines are parsed in one place"},
	{"github.com/google/go-cmp", nil, "a test library"},
	{"github.com/google/jsonschema-go", nil, "a test library"},
	{"github.com/rogpeppe/go-internal", nil, "a test library"},
	{"github.com/stretchr/testify", nil, "a test library, and not ours"},
	{"go.uber.org/goleak", nil, "a test library"},
	{"pgregory.net/rapid", nil, "a test library"},
	{"testing", nil, "a test library"},
	{"net/http/httptest", nil, "a test library; simulators listen on real sockets"},
}

// closure says what must not be linked into a package even through others.
var closure = []row{
	{"jobs", []string{"std", "jobs"}, "the job contract is the standard library only"},
	{"results", []string{"std", "jobs", "results"}, "the result contract is the standard library and jobs only"},
}

// never is what the libraries under sender must not link even through others.
var never = []string{"github.com/nats-io", "github.com/rs/zerolog", "github.com/prometheus", module + "/internal", module + "/cmd"}

// libraries are the public packages, which must not need the worker; not even their tests.
var libraries = []string{"jobs", "results", "sender/**"}

// noIO is what the core can't import because it does no I/O.
var noIO = []string{"net", "net/http", "os", "os/exec", "os/signal", "syscall", "log", "log/slog"}

// compiled are functions whose result is made once and never changes.
var compiled = []string{
	"errors.New", "fmt.Errorf", "regexp.MustCompile", "template.Must", "strings.NewReplacer", "base32.NewEncoding", "base64.NewEncoding",
	"sync.OnceValue", "sync.OnceValues", "reflect.TypeFor", "time.Date", "netip.MustParseAddr", "netip.MustParsePrefix", "prometheus.NewDesc",
}
