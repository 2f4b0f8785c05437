// Package export_swamp_telemetry_description says what the sender is. The bindings name the package.
package export_swamp_telemetry_description

import types "wit_component/swamp_telemetry_types"

// Describe is what the component exports. A sender with options of `telemetrySenderOptions` tells them here:
// `swamp sender use` refuses others.
func Describe() types.SenderDescription {
	return types.SenderDescription{
		Name:        "{{name}}",
		Version:     "0.1.0",
		Description: "A telemetry sender for swamp",
	}
}
