process GFGENOMICS_SEQUENCES {
    tag "${meta.id}"
    label 'process_medium'

    conda "${moduleDir}/environment.yml"
    // Built by packaging/Dockerfile.
    container "gf-genomics:0.1.0"

    input:
    tuple val(meta), path(vcf), path(index)
    tuple val(meta2), path(fasta), path(fasta_index)
    path loci

    output:
    tuple val(meta), path("${prefix}.fa.gz"), emit: fasta
    tuple val(meta), path("${prefix}.skips.csv"), emit: skips
    tuple val("${task.process}"), val('gf-genomics'), eval("gf-genomics --version | sed 's/.* //'"), topic: versions, emit: versions_gfgenomics

    when:
    task.ext.when == null || task.ext.when

    script:
    def args = task.ext.args ?: ''
    prefix = task.ext.prefix ?: "${meta.id}"
    """
    gf-genomics sequences \\
        --vcf ${vcf} \\
        --reference ${fasta} \\
        --regions-file ${loci} \\
        --threads ${task.cpus} \\
        ${args} \\
        --skips ${prefix}.skips.csv \\
        --output ${prefix}.fa.gz
    """

    stub:
    prefix = task.ext.prefix ?: "${meta.id}"
    """
    echo '' | gzip > ${prefix}.fa.gz
    touch ${prefix}.skips.csv
    """
}
