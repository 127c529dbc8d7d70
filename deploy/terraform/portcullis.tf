# Applied with kubectl, as everywhere else; needs kubectl and the AWS command line where terraform runs.
locals {
  kubernetes = abspath("${path.module}/../kubernetes")
  policies   = abspath("${path.module}/../../examples/demo")
  kubeconfig = abspath("${path.root}/kubeconfig")
}

resource "terraform_data" "kubeconfig" {
  triggers_replace = [aws_eks_cluster.this.arn]

  provisioner "local-exec" {
    command = "aws eks update-kubeconfig --region ${var.region} --name ${aws_eks_cluster.this.name} --kubeconfig ${local.kubeconfig}"
  }
}

resource "terraform_data" "portcullis" {
  triggers_replace = [terraform_data.kubeconfig.id, var.image]

  provisioner "local-exec" {
    environment = { KUBECONFIG = local.kubeconfig }
    command     = <<-EOT
      set -e
      kubectl apply -k ${local.kubernetes}/eks
      kubectl -n portcullis-system set image daemonset/portcullis agent=${var.image}
      kubectl -n portcullis-system rollout status daemonset/portcullis --timeout 10m
    EOT
  }

  depends_on = [aws_eks_node_group.this]
}

resource "terraform_data" "demo" {
  triggers_replace = [terraform_data.portcullis.id]

  provisioner "local-exec" {
    environment = { KUBECONFIG = local.kubeconfig }
    command     = <<-EOT
      set -e
      kubectl apply -k ${local.kubernetes}/demo
      kubectl apply -f ${local.policies}/01-demo-app-deny-all.yaml -f ${local.policies}/02-demo-app-allow-client-one.yaml \
        -f ${local.policies}/03-demo-app-allow-another-ns.yaml -f ${local.policies}/06-client-two-deny-egress.yaml
    EOT
  }
}
