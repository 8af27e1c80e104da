// Package jobs is the contract of what publishers put on push.apns and push.gcm: the job, its JSON codec, its
// validation, how it is split into segments, and every subject and name on the broker that belongs to it. It uses the
// standard library only.
package jobs
