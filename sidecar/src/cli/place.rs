//! Where secrets lie, as several commands ask for it.

use std::path::PathBuf;

use clap::Args;

/// A folder, or Kubernetes.
#[derive(Args, Clone, Debug)]
#[group(skip)]
pub struct PlaceArgs {
    /// The secrets are files of this folder
    #[arg(
        long,
        value_name = "DIR",
        required_unless_present = "kubernetes",
        conflicts_with = "kubernetes"
    )]
    pub dir: Option<PathBuf>,
    /// The secrets are Secrets of Kubernetes, reached by the pod's own account in a cluster and by
    /// kubectl elsewhere
    #[arg(long)]
    pub kubernetes: bool,
    /// Which of them
    #[command(flatten)]
    pub cluster: ClusterArgs,
}

/// Which namespace of which cluster.
#[derive(Args, Clone, Debug)]
#[group(skip)]
pub struct ClusterArgs {
    /// The namespace of the Secrets [default: the pod's, or that of kubectl's context]
    #[arg(long, value_name = "NAME", conflicts_with = "dir")]
    pub namespace: Option<String>,
    /// The context of kubectl [default: the current one]
    #[arg(long, value_name = "NAME", conflicts_with = "dir")]
    pub context: Option<String>,
}
