output "kubeconfig" {
  description = "The kubeconfig file of the cluster."
  value       = local.kubeconfig
}

output "probe" {
  description = "Shows who reaches whom in the demo."
  value       = "KUBECONFIG=${local.kubeconfig} ${local.kubernetes}/demo/probe.sh"
}
