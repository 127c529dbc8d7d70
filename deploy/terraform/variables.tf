variable "region" {
  description = "The AWS region."
  type        = string
  default     = "eu-central-1"
}

variable "name" {
  description = "The name of the cluster and of what belongs to it."
  type        = string
  default     = "portcullis-demo"
}

variable "kubernetes_version" {
  description = "The Kubernetes version of the cluster."
  type        = string
  default     = "1.33"
}

variable "image" {
  description = "The agent's image, built from deploy/container/Dockerfile and pushed to a registry the nodes can read."
  type        = string
}

variable "instance_type" {
  description = "The type of the nodes; an arm64 type needs ami_type AL2023_ARM_64_STANDARD and an arm64 image."
  type        = string
  default     = "t3.medium"
}

variable "ami_type" {
  description = "The nodes' image type."
  type        = string
  default     = "AL2023_x86_64_STANDARD"
}

variable "api_cidrs" {
  description = "The networks that may reach the cluster's API server."
  type        = list(string)
}
