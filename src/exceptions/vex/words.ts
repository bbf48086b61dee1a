import type { Justification, VexStatus } from './types.ts'

/** CycloneDX 1.6, `impactAnalysisState`, in OpenVEX's words. */
export const statusOfState: Readonly<Record<string, VexStatus>> = {
  resolved: 'fixed',
  resolved_with_pedigree: 'fixed',
  exploitable: 'affected',
  in_triage: 'under_investigation',
  false_positive: 'not_affected',
  not_affected: 'not_affected',
}

export const stateOfStatus: Readonly<Record<VexStatus, string>> = {
  fixed: 'resolved',
  affected: 'exploitable',
  under_investigation: 'in_triage',
  not_affected: 'not_affected',
}

/** CycloneDX 1.6, `impactAnalysisJustification`: nine words for OpenVEX's five. */
export const justificationOfCycloneDx: Readonly<Record<string, Justification>> = {
  code_not_present: 'vulnerable_code_not_present',
  code_not_reachable: 'vulnerable_code_not_in_execute_path',
  requires_configuration: 'vulnerable_code_cannot_be_controlled_by_adversary',
  requires_environment: 'vulnerable_code_cannot_be_controlled_by_adversary',
  requires_dependency: 'component_not_present',
  protected_by_compiler: 'inline_mitigations_already_exist',
  protected_at_runtime: 'inline_mitigations_already_exist',
  protected_at_perimeter: 'inline_mitigations_already_exist',
  protected_by_mitigating_control: 'inline_mitigations_already_exist',
}

/** The CycloneDX word that is read back as the same one. */
export const cycloneDxOfJustification: Readonly<Record<Justification, string>> = {
  vulnerable_code_not_present: 'code_not_present',
  vulnerable_code_not_in_execute_path: 'code_not_reachable',
  vulnerable_code_cannot_be_controlled_by_adversary: 'requires_configuration',
  component_not_present: 'requires_dependency',
  inline_mitigations_already_exist: 'protected_by_mitigating_control',
}
