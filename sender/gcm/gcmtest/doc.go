// Package gcmtest is a simulator of Google's push service: the legacy GCM/FCM HTTP protocol (POST /fcm/send), FCM HTTP
// v1 (POST /v1/projects/<project>/messages:send), the OAuth 2 token endpoint (POST /token) and workload identity federation
// (POST /v1/token and …:generateAccessToken), over HTTP/2 and HTTP/1.1,
// on a real socket with TLS from a throw-away authority. It checks what the service documents, answers scripted faults
// and keeps a ledger of everything that arrived. Test a client with it instead of replacing the client.
//
// Each file says at its top what it models and from which of Google's pages. Not modelled by any of them: delivery and
// storage, subscriptions to topics, device groups, and the metadata server. GOAWAY and whatever else can happen to a connection is scripted; see
// simulator.Fault. Faults that count requests count those of the token endpoint too, and only over HTTP/2.
//
// # Scripts
//
// The same script serves both protocols: a reason in the words of one is said in the words of the other where they mean
// the same (NotRegistered is UNREGISTERED). Beside the codes that FCM v1 itself puts into an error, these words choose
// among answers that carry none: INVALID_PAYLOAD (400 that is not about the token), BAD_REQUEST (400 with a list of
// fields), UNAUTHENTICATED, PERMISSION_DENIED, SERVICE_DISABLED, NOT_FOUND (404 that is not about the token),
// RATE_LIMIT_EXCEEDED (429 for the whole project), BAD_GATEWAY (502 with a page of HTML) and DEADLINE_EXCEEDED.
// INVALID_ARGUMENT is the 400 that says the token is malformed.
package gcmtest
