package simulator

import (
	"bufio"
	"encoding/json"
	"iter"
	"net/http"
	"time"
)

// ndjson is the content type of the ledger.
const ndjson = "application/x-ndjson"

// Control is the handler of the control port:
//
//	GET    /ledger          every notification received, NDJSON, one Notification per line
//	GET    /ledger/summary  counts, a Summary
//	GET    /ledger/stored   what Apple would still hold for devices that are off, NDJSON; see Ledger.Stored
//	DELETE /ledger          empties the ledger
//	GET    /script          the script in force, JSON
//	POST   /script          puts a script in force, YAML or JSON; 400 with the fault if it is not one
//	GET    /faults          the faults in force and how often each has struck, and the servers, a FaultReport
//	POST   /faults          puts a fault in force beside the script: {"down": "10s"}, or a Phase; answers as GET does
//	DELETE /faults          ends what was posted
//
// It is meant for a loopback port: it asks for no credentials. Ledger lines hold device tokens in full.
func Control(ledger *Ledger, scripts *Scripts) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /ledger", func(w http.ResponseWriter, _ *http.Request) { streamLedger(w, ledger.Each()) })
	mux.HandleFunc("GET /ledger/stored", func(w http.ResponseWriter, _ *http.Request) { streamLedger(w, ledger.Stored(time.Now())) })
	mux.HandleFunc("GET /ledger/summary", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, ledger.Summary()) })
	mux.HandleFunc("DELETE /ledger", func(w http.ResponseWriter, _ *http.Request) {
		ledger.Reset()
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("GET /script", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, scripts.Script()) })
	mux.HandleFunc("POST /script", func(w http.ResponseWriter, r *http.Request) { postScript(w, r, scripts) })
	mux.HandleFunc("GET /faults", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, scripts.Faults()) })
	mux.HandleFunc("POST /faults", func(w http.ResponseWriter, r *http.Request) { postFault(w, r, scripts) })
	mux.HandleFunc("DELETE /faults", func(w http.ResponseWriter, _ *http.Request) {
		scripts.Clear()
		w.WriteHeader(http.StatusNoContent)
	})
	return mux
}

// streamLedger writes line by line: a ledger of a million lines needs no more memory than one of ten.
func streamLedger(w http.ResponseWriter, lines iter.Seq[Notification]) {
	w.Header().Set("Content-Type", ndjson)
	buffered := bufio.NewWriterSize(w, 64<<10)
	encoder := json.NewEncoder(buffered)
	encoder.SetEscapeHTML(false) // bodies are shown as they came
	for n := range lines {
		if err := encoder.Encode(n); err != nil {
			return // the reader has gone
		}
	}
	_ = buffered.Flush() // likewise
}

func postScript(w http.ResponseWriter, r *http.Request, scripts *Scripts) {
	data, err := readScript(r.Body)
	if err != nil {
		http.Error(w, "script: "+err.Error(), http.StatusBadRequest)
		return
	}
	script, err := ParseScript(data)
	if err == nil {
		err = scripts.Set(script)
	}
	if err != nil {
		http.Error(w, "script: "+err.Error(), http.StatusBadRequest)
		return
	}
	counts := map[string]int{"rules": len(script.Rules)}
	if len(script.Faults) > 0 {
		counts["faults"] = len(script.Faults)
	}
	if len(script.Phases) > 0 {
		counts["phases"] = len(script.Phases)
	}
	writeJSON(w, counts)
}

func writeJSON(w http.ResponseWriter, value any) {
	w.Header().Set("Content-Type", "application/json")
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(value) // the reader has gone
}
